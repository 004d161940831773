//! The catalogue: definitions, from which instances are made.
//!
//! The one idea: a definition is reference data. Nothing reconciles it; an
//! instance copies what it needs when it is made, so it stays as it was made
//! whatever becomes of the definition. A definition only ever changes to a
//! higher version.

mod head;
mod host;
mod job;
mod kinds;
mod part;
mod places;
mod pod;
mod report;
mod selector;
mod session;

pub use head::{
    Catalogued, Definition, DefinitionHead, DefinitionObserved, DesiredCatalogued, Origin, Pinned,
    ProvisioningSource,
};
pub use host::{HostDefinitionSpec, HostType};
pub use job::{JobDefinitionSpec, JobResultFrom};
pub use kinds::{
    DeliveryEnvironment, HostDefinition, HostingSiteLocation, JobDefinition, LabLocation,
    PartDefinition, PodDefinition, ReportDefinition, SessionDefinition,
};
pub use part::{EventTrigger, PartDefinitionSpec, PodRequirement, TriggerAction};
pub use places::{DeliveryEnvironmentSpec, HostingSiteLocationSpec, LabLocationSpec};
pub use pod::{HostRequirement, PodDefinitionSpec, PodType, PodWorkload};
pub use report::{Aggregate, ReportDefinitionSpec};
pub use selector::{DefinitionSelector, Version, VersionRange};
pub use session::{Gate, PartExecution, PartOrder, PartRequirement, SessionDefinitionSpec};
