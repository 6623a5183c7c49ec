//! Processor time of the three services: what a request costs outside of the process that is measured.

use std::fs;
use std::ops::Sub;

use anyhow::Result;

use crate::process::Stat;

/// How the kernel calls their programs.
const PROGRAMS: [&str; 3] = ["beam.smp", "postgres", "redis-server"];

/// Seconds of user and system time of RabbitMQ, PostgreSQL and Redis: of all processes on this machine that are called so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServicesTime([f64; 3]);

impl ServicesTime {
    /// Up to now. Sessions of PostgreSQL that have ended count with the process that waited for them.
    pub(crate) fn now() -> Result<Self> {
        let mut seconds = [0.0; 3];
        for entry in fs::read_dir("/proc")? {
            // Most entries are no processes, and a process may be gone by the time that it is asked.
            let Ok(stat) = Stat::read(&entry?.path()) else { continue };
            if let Some(place) = PROGRAMS.iter().position(|program| *program == stat.name) {
                seconds[place] += stat.cpu;
            }
        }
        Ok(Self(seconds))
    }

    /// Microseconds a request, service by service.
    pub(crate) fn micros(self, requests: f64) -> [f64; 3] {
        self.0.map(|seconds| seconds * 1e6 / requests)
    }
}

impl Sub for ServicesTime {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self(std::array::from_fn(|place| self.0[place] - earlier.0[place]))
    }
}
