//! The services of a tenant as they run, with what they take from the lifecycle.

use std::collections::BTreeMap;

use tessera_types::{Duration, Name};

use super::{FurtherService, Lifecycle, Manifest, Resources, Volume};

/// One service of a tenant, complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// What it is called beside the tenant; none for the primary.
    pub suffix: Option<Name>,
    /// The name of its unit without an extension: `NAME`, or `NAME-SUFFIX`.
    pub unit: String,
    /// When it runs: a calendar expression.
    pub schedule: String,
    /// The program and its first arguments; the verb is appended.
    pub entrypoint: Vec<String>,
    /// Arguments after the verb.
    pub verb_arguments: Vec<String>,
    /// How long a run may take.
    pub timeout: Duration,
    /// The image that it runs in, if it does.
    pub image: Option<String>,
    /// What its container has of the machine.
    pub volumes: Vec<Volume>,
    /// Its variables.
    pub environment: BTreeMap<String, String>,
    /// What it may use at most.
    pub resources: Resources,
}

impl Manifest {
    /// The services, the primary first; none for a tenant that is not operated.
    #[must_use]
    pub fn services(&self) -> Vec<Service> {
        let Some(lifecycle) = &self.lifecycle else { return Vec::new() };
        let further = self.services.iter();
        let further = further.map(|(suffix, service)| self.further(lifecycle, suffix, service));
        std::iter::once(self.primary(lifecycle)).chain(further).collect()
    }

    /// The service with this suffix, or the primary.
    #[must_use]
    pub fn service(&self, suffix: Option<&str>) -> Option<Service> {
        let mut services = self.services().into_iter();
        services.find(|service| service.suffix.as_ref().map(Name::as_str) == suffix)
    }

    fn primary(&self, lifecycle: &Lifecycle) -> Service {
        Service {
            suffix: None,
            unit: self.name.to_string(),
            schedule: self.schedule.clone(),
            entrypoint: lifecycle.entrypoint.clone(),
            verb_arguments: Vec::new(),
            timeout: lifecycle.timeout,
            image: lifecycle.image.clone(),
            volumes: lifecycle.volumes.clone(),
            environment: lifecycle.environment.clone(),
            resources: lifecycle.resources,
        }
    }

    fn further(&self, lifecycle: &Lifecycle, suffix: &Name, own: &FurtherService) -> Service {
        let mut environment = lifecycle.environment.clone();
        environment.extend(own.environment.clone());
        Service {
            suffix: Some(suffix.clone()),
            unit: format!("{}-{suffix}", self.name),
            schedule: own.schedule.clone(),
            entrypoint: own.entrypoint.as_ref().unwrap_or(&lifecycle.entrypoint).clone(),
            verb_arguments: own.verb_arguments.clone(),
            timeout: own.timeout.unwrap_or(lifecycle.timeout),
            image: own.image.as_ref().or(lifecycle.image.as_ref()).cloned(),
            volumes: own.volumes.as_ref().unwrap_or(&lifecycle.volumes).clone(),
            environment,
            resources: Resources {
                cpu: own.resources.cpu.or(lifecycle.resources.cpu),
                memory: own.resources.memory.or(lifecycle.resources.memory),
            },
        }
    }
}
