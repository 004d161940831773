//! Delivery environments, lab locations and hosting sites: where things are and
//! whom they serve. Nothing is made from them; hosts and pods refer to them.

use super::head::{Definition, check_type_key, definition_spec};
use crate::limits;
use crate::validate::{Invalid, Validate, check_len};

definition_spec! {
    /// Whom hosts serve: production, staging, a training.
    pub struct DeliveryEnvironmentSpec {
        /// The type keys of the lab locations that it is delivered from; any when
        /// none is given.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub locations: Vec<String>,
    }
}

definition_spec! {
    /// A place that has hosts.
    pub struct LabLocationSpec {
        /// The type key of the hosting site that it is in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub hosting_site: Option<String>,
        /// Its time zone, such as `Europe/Brussels`; for people only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub time_zone: Option<String>,
    }
}

definition_spec! {
    /// A building or a region of a provider.
    pub struct HostingSiteLocationSpec {
        /// The provider's region, such as `eu-west-1`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub region: Option<String>,
        /// The provider.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub provider: Option<String>,
    }
}

impl Validate for DeliveryEnvironmentSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.head().validate(path, problems);
        let path = format!("{path}.locations");
        check_len(&path, self.locations.len(), limits::LIST_MAX, problems);
        for (i, location) in self.locations.iter().enumerate() {
            check_type_key(&format!("{path}[{i}]"), location, problems);
        }
    }
}

impl Validate for LabLocationSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.head().validate(path, problems);
        if let Some(site) = &self.hosting_site {
            check_type_key(&format!("{path}.hosting_site"), site, problems);
        }
    }
}

impl Validate for HostingSiteLocationSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.head().validate(path, problems);
    }
}
