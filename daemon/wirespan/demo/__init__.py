"""A local stand-in for two vendor APIs and a small client for it: `wirespan demo` and the tests show capture with them.

Invariant: the server keeps every byte it received and sent (`truth`), so that what was captured can be compared with
what was really on the wire. It listens on 127.0.0.1 only.
"""
