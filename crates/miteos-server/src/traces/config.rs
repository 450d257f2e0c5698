//! The standard variables of OpenTelemetry, as far as they are about traces over OTLP. Nothing else turns them on.

use std::time::Duration;

use miteos_models::Secret;
use miteos_tools::http::Url;

const DISABLED: &str = "OTEL_SDK_DISABLED";
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
const PROPAGATORS: &str = "OTEL_PROPAGATORS";
const MESSAGES: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
const QUEUE: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
const BATCH: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
const DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";

/// Where a collector of this machine listens, when one is wanted and its place is not said.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318/v1/traces";
const DEFAULT_TIMEOUT_MS: u64 = 10_000;
const DEFAULT_QUEUE: u64 = 2_048;
const DEFAULT_BATCH: u64 = 512;
const DEFAULT_DELAY_MS: u64 = 5_000;
/// The longest queue (spans): each waits in memory.
const MAX_QUEUE: u64 = 65_536;
/// The same where spans hold messages, of which each may be a hundred kilobytes: the queue stays below 60 MiB, and what
/// is sent together below the 64 MiB that the exporter takes.
const MAX_QUEUE_WITH_MESSAGES: u64 = 512;
const MAX_BATCH_WITH_MESSAGES: u64 = 64;

/// Which traces are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    AlwaysOn,
    AlwaysOff,
    Ratio(f64),
    ParentAlwaysOn,
    ParentAlwaysOff,
    ParentRatio(f64),
}

/// Where spans go, and which.
#[derive(Debug, Clone)]
pub struct TraceConfig {
    /// The whole address.
    pub endpoint: String,
    pub headers: Vec<(String, Secret)>,
    pub timeout: Duration,
    pub gzip: bool,
    pub service: String,
    pub resource: Vec<(String, String)>,
    pub sampling: Sampling,
    /// Spans that wait, spans of a batch, and the time between two batches.
    pub queue: usize,
    pub batch: usize,
    pub delay: Duration,
    /// Whether a request's `traceparent` is taken.
    pub takes_parents: bool,
    /// Whether prompts, answers and tool calls stand in the spans.
    pub messages: bool,
}

impl TraceConfig {
    /// `None` unless the variables name a collector; an error says what is wrong with them.
    pub fn from_settings(get: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        if get(DISABLED).is_some_and(|word| word.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let exporter = get(EXPORTER).map(|word| word.to_ascii_lowercase());
        let endpoint = match exporter.as_deref() {
            Some("none") => None,
            Some("otlp") => Some(endpoint(get).unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned())),
            None => endpoint(get),
            Some(other) => return Err(format!("{EXPORTER} is \"{other}\"; otlp and none are known")),
        };
        let Some(endpoint) = endpoint else { return Ok(None) };
        // Its text is not told: it may hold a login.
        if !Url::parse(&endpoint).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        {
            return Err(
                "OTEL_EXPORTER_OTLP_ENDPOINT is no address; one looks like http://collector:4318".to_owned()
            );
        }
        let of_otlp = |name: &str| of_otlp(get, name);
        if let Some(protocol) = of_otlp("PROTOCOL").filter(|word| word != "http/protobuf") {
            return Err(format!(
                "OTEL_EXPORTER_OTLP_PROTOCOL is \"{protocol}\"; spans are sent as http/protobuf alone (to port 4318 of most collectors)"
            ));
        }
        let gzip = match of_otlp("COMPRESSION").as_deref() {
            None | Some("none") => false,
            Some("gzip") => true,
            Some(other) => {
                return Err(format!(
                    "OTEL_EXPORTER_OTLP_COMPRESSION is \"{other}\"; gzip and none are known"
                ));
            }
        };
        let resource = get(RESOURCE).map_or(Ok(Vec::new()), |text| pairs(RESOURCE, &text))?;
        let headers =
            of_otlp("HEADERS").map_or(Ok(Vec::new()), |text| pairs("OTEL_EXPORTER_OTLP_HEADERS", &text))?;
        let stated = resource.iter().find(|(name, _)| name == "service.name").map(|(_, name)| name.clone());
        let messages = get(MESSAGES).is_some_and(|word| {
            matches!(word.to_ascii_lowercase().as_str(), "true" | "span_only" | "span_and_event")
        });
        let (most, most_together) = match messages {
            true => (MAX_QUEUE_WITH_MESSAGES, MAX_BATCH_WITH_MESSAGES),
            false => (MAX_QUEUE, MAX_QUEUE),
        };
        let queue = number(get, QUEUE, DEFAULT_QUEUE)?.clamp(1, most);
        let timeout = match of_otlp("TIMEOUT") {
            None => DEFAULT_TIMEOUT_MS,
            Some(text) => text.parse().map_err(|_| {
                format!("OTEL_EXPORTER_OTLP_TIMEOUT is \"{text}\"; a number of milliseconds would be right")
            })?,
        };
        let size = |number: u64| usize::try_from(number).unwrap_or(1);
        Ok(Some(Self {
            endpoint,
            headers: headers.into_iter().map(|(name, value)| (name, Secret::new(value))).collect(),
            timeout: Duration::from_millis(timeout),
            gzip,
            service: get(SERVICE).or(stated).unwrap_or_else(|| "miteos".to_owned()),
            resource,
            sampling: sampling(get)?,
            queue: size(queue),
            batch: size(number(get, BATCH, DEFAULT_BATCH)?.clamp(1, queue.min(most_together))),
            delay: Duration::from_millis(number(get, DELAY, DEFAULT_DELAY_MS)?.max(1)),
            takes_parents: get(PROPAGATORS)
                .is_none_or(|list| list.split(',').any(|word| word.trim() == "tracecontext")),
            messages,
        }))
    }
}

/// A variable of the exporter: the one for traces before the one for everything.
fn of_otlp(get: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    get(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}")).or_else(|| get(&format!("OTEL_EXPORTER_OTLP_{name}")))
}

/// The one for traces stands as it is, the general one is a base.
fn endpoint(get: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let base =
        || get("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| format!("{}/v1/traces", base.trim_end_matches('/')));
    get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(base)
}

fn number(get: &dyn Fn(&str) -> Option<String>, name: &str, default: u64) -> Result<u64, String> {
    let Some(text) = get(name) else { return Ok(default) };
    text.parse().map_err(|_| format!("{name} is \"{text}\"; a whole number would be right"))
}

fn sampling(get: &dyn Fn(&str) -> Option<String>) -> Result<Sampling, String> {
    let share = match get(SAMPLER_ARGUMENT) {
        None => 1.0,
        Some(text) => {
            text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| {
                format!("{SAMPLER_ARGUMENT} is \"{text}\"; a share from 0 to 1 would be right")
            })?
        }
    };
    match get(SAMPLER).as_deref() {
        None | Some("parentbased_always_on") => Ok(Sampling::ParentAlwaysOn),
        Some("parentbased_always_off") => Ok(Sampling::ParentAlwaysOff),
        Some("parentbased_traceidratio") => Ok(Sampling::ParentRatio(share)),
        Some("always_on") => Ok(Sampling::AlwaysOn),
        Some("always_off") => Ok(Sampling::AlwaysOff),
        Some("traceidratio") => Ok(Sampling::Ratio(share)),
        Some(other) => Err(format!(
            "{SAMPLER} is \"{other}\"; always_on, always_off, traceidratio and the same with parentbased_ before them are known"
        )),
    }
}

/// `name=value,name=value`, where `%2C` and the like stand for what has a meaning here.
fn pairs(variable: &str, text: &str) -> Result<Vec<(String, String)>, String> {
    let read = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim().to_owned(), decoded(value.trim())?)).filter(|(name, _)| !name.is_empty())
    };
    text.split(',')
        .filter(|pair| !pair.trim().is_empty())
        .map(|pair| read(pair).ok_or_else(|| format!("{variable} is not name=value,name=value")))
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Option<TraceConfig>, String> {
        let get = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        TraceConfig::from_settings(&get)
    }

    const BASE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");

    #[test]
    fn nothing_but_the_variables_turns_it_on() {
        assert!(read(&[]).unwrap().is_none());
        assert!(read(&[(SERVICE, "x"), (SAMPLER, "always_on")]).unwrap().is_none());
        assert!(read(&[BASE, (DISABLED, "TRUE")]).unwrap().is_none());
        assert!(read(&[BASE, (EXPORTER, "none")]).unwrap().is_none());
        assert_eq!(read(&[BASE]).unwrap().unwrap().endpoint, "http://collector:4318/v1/traces");
        assert_eq!(read(&[(EXPORTER, "otlp")]).unwrap().unwrap().endpoint, DEFAULT_ENDPOINT);
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other/x");
        assert_eq!(read(&[BASE, own]).unwrap().unwrap().endpoint, "http://other/x");
    }

    #[test]
    fn what_is_said_is_taken() {
        let config = read(&[
            BASE,
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%2Cb, x = y"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
            (RESOURCE, "service.name=from-resource,deployment.environment.name=test"),
            (SAMPLER, "parentbased_traceidratio"),
            (SAMPLER_ARGUMENT, "0.25"),
            (MESSAGES, "SPAN_ONLY"),
            (PROPAGATORS, "b3"),
            (BATCH, "99999999"),
        ])
        .unwrap()
        .unwrap();
        let headers: Vec<_> = config.headers.iter().map(|(n, v)| (n.as_str(), v.expose())).collect();
        assert_eq!(headers, [("api-key", "a,b"), ("x", "y")]);
        assert!(!format!("{config:?}").contains("a,b"), "a header may be a secret");
        assert_eq!(config.timeout, Duration::from_millis(250));
        assert_eq!(config.service, "from-resource");
        assert_eq!(config.sampling, Sampling::ParentRatio(0.25));
        assert!(config.messages && !config.takes_parents);
        assert_eq!((config.queue, config.batch), (512, 64), "messages are big");
        let plain = read(&[BASE, (SERVICE, "mine"), (MESSAGES, "no_content")]).unwrap().unwrap();
        assert!(!plain.messages && plain.takes_parents);
        assert_eq!((plain.service.as_str(), plain.sampling), ("mine", Sampling::ParentAlwaysOn));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "nothing"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            (SAMPLER, "sometimes"),
            (SAMPLER_ARGUMENT, "2"),
            (RESOURCE, "a=%zz"),
            (EXPORTER, "zipkin"),
            (QUEUE, "-1"),
        ] {
            let said = read(&[BASE, (name, value)]).unwrap_err();
            assert!(said.contains(name), "{said}");
        }
        for no_address in ["collector:4317", "grpc://collector:4317", "//collector"] {
            let said = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", no_address)]).unwrap_err();
            assert!(said.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{said}");
        }
    }
}
