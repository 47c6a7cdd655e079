"""What may be chosen about targets and delivery. Frozen, with defaults, and readable from the standard variables.

Every `from_environment` takes the environment as an argument and raises only ExportSettingsError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wirespan_exporters.secret import Secret

MIB = 1024 * 1024

Environment = Mapping[str, str]


class ExportSettingsError(ValueError):
    """A setting can't be used. `remedy` says what the user can do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Files in PEM. `verify` False trusts any server: only for tests of a set-up."""

    verify: bool = True
    ca_file: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """OTLP/HTTP with protobuf. `url` is the full address of the traces signal."""

    url: str
    headers: tuple[tuple[str, Secret], ...] = ()
    timeout_s: float = 60.0
    gzip: bool = True
    tls: TlsSettings = TlsSettings()

    def __post_init__(self) -> None:
        check_http_url(self.url, "the OTLP endpoint")

    @classmethod
    def from_environment(cls, environment: Environment) -> OtlpSettings | None:
        """By the OTEL_EXPORTER_OTLP_* variables, those with TRACES_ first; None if no endpoint is named.

        https://opentelemetry.io/docs/specs/otel/protocol/exporter/
        """
        url = _otlp_url(environment)
        if url is None:
            return None
        protocol = _otlp(environment, "PROTOCOL") or "http/protobuf"
        if protocol != "http/protobuf":
            raise ExportSettingsError(
                f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol} is not supported",
                "set it to http/protobuf and name the HTTP port of the collector, usually 4318",
            )
        return cls(
            url=url,
            headers=parse_headers(_otlp(environment, "HEADERS") or ""),
            timeout_s=_milliseconds(environment),
            gzip=(_otlp(environment, "COMPRESSION") or "gzip") == "gzip",
            tls=TlsSettings(
                ca_file=_otlp(environment, "CERTIFICATE"),
                client_certificate=_otlp(environment, "CLIENT_CERTIFICATE"),
                client_key=_otlp(environment, "CLIENT_KEY"),
            ),
        )


@dataclass(frozen=True, slots=True)
class MlflowSettings:
    """`uri`: base address, with the server's static prefix if it has one. `experiment_id` wins over the name.

    `keep_wire_bodies`: send the untouched wire JSON as attributes too, which about doubles what is stored.
    """

    uri: str
    experiment_name: str = "wirespan"
    experiment_id: str | None = None
    username: str | None = None
    password: Secret | None = None
    token: Secret | None = None
    workspace: str | None = None
    timeout_s: float = 60.0  # the server may fetch its price catalogue inside a request: measured 7 s, longer if slow
    keep_wire_bodies: bool = False
    tls: TlsSettings = TlsSettings()

    def __post_init__(self) -> None:
        check_http_url(self.uri, "MLFLOW_TRACKING_URI")
        if self.experiment_id is not None and not self.experiment_id.strip():
            # MLflow answers 200 to an empty id and drops the spans.
            raise ExportSettingsError("the MLflow experiment id is empty", "give an id, or a name instead")
        if self.experiment_id is None and not self.experiment_name.strip():
            raise ExportSettingsError("the MLflow experiment name is empty", "set MLFLOW_EXPERIMENT_NAME")

    @classmethod
    def from_environment(cls, environment: Environment) -> MlflowSettings | None:
        """By MLflow's own variables; None if MLFLOW_TRACKING_URI is not set."""
        uri = environment.get("MLFLOW_TRACKING_URI", "").strip()
        if not uri:
            return None
        password, token = environment.get("MLFLOW_TRACKING_PASSWORD"), environment.get("MLFLOW_TRACKING_TOKEN")
        return cls(
            uri=uri,
            experiment_name=environment.get("MLFLOW_EXPERIMENT_NAME", "").strip() or "wirespan",
            experiment_id=environment.get("MLFLOW_EXPERIMENT_ID", "").strip() or None,
            username=environment.get("MLFLOW_TRACKING_USERNAME") or None,
            password=Secret(password) if password else None,
            token=Secret(token) if token else None,
            workspace=environment.get("MLFLOW_WORKSPACE", "").strip() or None,
            tls=TlsSettings(
                verify=not _is_true(environment.get("MLFLOW_TRACKING_INSECURE_TLS", "")),
                ca_file=environment.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or None,
                client_certificate=environment.get("MLFLOW_TRACKING_CLIENT_CERT_PATH") or None,
            ),
        )


@dataclass(frozen=True, slots=True)
class FileSettings:
    path: Path

    @classmethod
    def from_environment(cls, environment: Environment) -> FileSettings | None:
        path = environment.get("WIRESPAN_EXPORT_FILE", "").strip()
        return cls(Path(path)) if path else None


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """Bounds of the queue and of a request, and the pace of retries. See delivery.py for what each state does."""

    queue_bytes: int = 128 * MIB
    batch_spans: int = 64
    batch_bytes: int = 8 * MIB
    batch_delay_s: float = 2.0
    retry_first_s: float = 1.0
    retry_max_s: float = 60.0
    retry_after_max_s: float = 300.0
    hold_retry_s: float = 30.0
    content_tries: int = 3
    refusals_in_a_row: int = 20
    quarantine_bytes: int = 16 * MIB

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ExportSettingsError(f"{name} must be more than 0", "remove the setting to get the default")

    @classmethod
    def from_environment(cls, environment: Environment) -> DeliverySettings:
        defaults = cls()
        return cls(
            queue_bytes=_integer(environment, "WIRESPAN_QUEUE_BYTES", defaults.queue_bytes),
            batch_spans=_integer(environment, "WIRESPAN_BATCH_SPANS", defaults.batch_spans),
            batch_bytes=_integer(environment, "WIRESPAN_BATCH_BYTES", defaults.batch_bytes),
            batch_delay_s=_number(environment, "WIRESPAN_BATCH_DELAY_S", defaults.batch_delay_s),
        )


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """Every target that is named gets every span."""

    mlflow: MlflowSettings | None = None
    otlp: OtlpSettings | None = None
    file: FileSettings | None = None
    console: bool = False
    delivery: DeliverySettings = field(default_factory=DeliverySettings)

    @classmethod
    def from_environment(cls, environment: Environment) -> ExportSettings:
        return cls(
            mlflow=MlflowSettings.from_environment(environment),
            otlp=OtlpSettings.from_environment(environment),
            file=FileSettings.from_environment(environment),
            delivery=DeliverySettings.from_environment(environment),
        )

    @property
    def reads_messages(self) -> bool:
        """Whether any target sends `gen_ai.*.messages`; see SpanSettings.messages."""
        return self.otlp is not None or self.file is not None

    @property
    def reads_wire_bodies(self) -> bool:
        """Whether any target renders the wire JSON; see SpanSettings.wire_bodies."""
        return self.mlflow is not None


def check_http_url(url: str, what: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ExportSettingsError(
            f"{what} is not an http(s) address: {masked(url)}", "give it as http://host:port or https://host/prefix"
        )


def masked(url: str) -> str:
    """`url` without a user and password that stand in it."""
    before, at, after = url.rpartition("@")
    return f"{before.partition('://')[0]}://***@{after}" if at else url


def without_login(url: str) -> tuple[str, tuple[str, Secret] | None]:
    """`http://user:password@host/…` as the bare address and what was in it, percent-decoded."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = login.partition(":")
    return parts._replace(netloc=host).geturl(), (unquote(user), Secret(unquote(password)))


def parse_headers(text: str) -> tuple[tuple[str, Secret], ...]:
    """`key1=value1,key2=value2`, both percent-encoded (W3C Baggage, as the exporter specification says)."""
    headers = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = item.partition("=")
        name = unquote(name.strip()).lower()
        if not equals or not name:
            raise ExportSettingsError(
                "OTEL_EXPORTER_OTLP_HEADERS can't be read", "write it as name=value,name=value, percent-encoded"
            )
        headers.append((name, Secret(unquote(value.strip()))))
    return tuple(headers)


def _otlp_url(environment: Environment) -> str | None:
    traces = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    if traces:
        return traces
    base = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    return f"{base.rstrip('/')}/v1/traces" if base else None


def _otlp(environment: Environment, name: str) -> str | None:
    for prefix in ("OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"):
        value = environment.get(prefix + name, "").strip()
        if value:
            return value
    return None


def _milliseconds(environment: Environment) -> float:
    value = _otlp(environment, "TIMEOUT")
    if value is None:
        return 60.0
    if not (value.isascii() and value.isdigit()) or int(value) == 0:
        raise ExportSettingsError(f"OTEL_EXPORTER_OTLP_TIMEOUT={value} is no time", "give it in milliseconds")
    return int(value) / 1000


def _integer(environment: Environment, name: str, default: int) -> int:
    return int(_number(environment, name, default))


def _number(environment: Environment, name: str, default: float) -> float:
    text = environment.get(name, "").strip()
    if not text:
        return default
    try:
        return float(text)
    except ValueError:
        raise ExportSettingsError(f"{name}={text} is no number", "give a number or remove it") from None


def _is_true(text: str) -> bool:
    return text.strip().lower() in ("true", "1")  # as MLflow reads its own switches
