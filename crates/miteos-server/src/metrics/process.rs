//! What the operating system says about this process. Where it says nothing (it does on Linux) the figure stays 0.

use miteos_core::time::Timestamp;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Seconds, catalogue, signed};

pub struct Process {
    started: Timestamp,
    uptime: Gauge,
    cpu: Seconds,
    resident: Gauge,
    virtual_memory: Gauge,
    open_files: Gauge,
    max_files: Gauge,
}

impl Process {
    pub fn new(registry: &mut Registry, now: Timestamp) -> Self {
        let started: Gauge = catalogue::STARTED.register(registry, Gauge::default());
        started.set(signed(now.millis() / 1_000));
        Self {
            started: now,
            uptime: catalogue::UPTIME.register(registry, Gauge::default()),
            cpu: catalogue::CPU_SECONDS.register(registry, Seconds::default()),
            resident: catalogue::RESIDENT.register(registry, Gauge::default()),
            virtual_memory: catalogue::VIRTUAL.register(registry, Gauge::default()),
            open_files: catalogue::OPEN_FILES.register(registry, Gauge::default()),
            max_files: catalogue::MAX_FILES.register(registry, Gauge::default()),
        }
    }

    /// Looks now.
    pub fn look(&self, now: Timestamp) {
        self.uptime.set(signed(now.since(self.started) / 1_000));
        self.ask_the_system();
    }

    #[cfg(target_os = "linux")]
    fn ask_the_system(&self) {
        use std::sync::atomic::Ordering;

        use rustix::process::{Resource, getrlimit};
        use rustix::time::{ClockId, clock_gettime};
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
        self.cpu.inner().store(seconds.to_bits(), Ordering::Relaxed);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bytes = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            let kib: i64 = line.split_whitespace().nth(1)?.parse().ok()?;
            Some(kib.saturating_mul(1024))
        };
        self.resident.set(bytes("VmRSS:").unwrap_or(0));
        self.virtual_memory.set(bytes("VmSize:").unwrap_or(0));
        // One of them is the folder that is being read.
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count().saturating_sub(1));
        self.open_files.set(signed(open));
        self.max_files.set(getrlimit(Resource::Nofile).current.map_or(i64::MAX, signed));
    }

    #[cfg(not(target_os = "linux"))]
    fn ask_the_system(&self) {}
}
