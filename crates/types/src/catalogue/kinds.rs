//! The kinds of definitions.

use schemars::JsonSchema;

use super::head::{Catalogued, DefinitionObserved, DesiredCatalogued, refuse_change};
use super::{
    DeliveryEnvironmentSpec, HostDefinitionSpec, HostingSiteLocationSpec, JobDefinitionSpec,
    LabLocationSpec, PartDefinitionSpec, PodDefinitionSpec, ReportDefinitionSpec,
    SessionDefinitionSpec,
};
use crate::envelope::Object;
use crate::kind::{Kind, KindName};
use crate::labels::Labels;
use crate::state::Actor;
use crate::validate::Invalid;

macro_rules! definition_kinds {
    ($($(#[$meta:meta])* $kind:ident($spec:ty)),+ $(,)?) => {
        /// Runs `$body` with `$K` bound to the kind of definitions that `$name`
        /// names, which must be one ([`KindName::is_definition`]).
        #[macro_export]
        #[doc(hidden)]
        macro_rules! with_definition {
            ($name:expr, $K:ident => $body:expr) => {
                match $name {
                    $($crate::KindName::$kind => { type $K = $crate::$kind; $body })+
                    other => unreachable!("{other} is not a kind of definitions"),
                }
            };
        }

        $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, JsonSchema)]
        pub struct $kind;

        impl Kind for $kind {
            const KIND: KindName = KindName::$kind;
            const KEEPS_DESIRED_STATUS: bool = false;
            type Spec = $spec;
            type Status = Catalogued;
            type Desired = DesiredCatalogued;
            type Observed = DefinitionObserved;

            fn refuse_change(
                before: &Object<Self>,
                labels: &Labels,
                spec: &$spec,
                by: &Actor,
            ) -> Option<Invalid> {
                refuse_change(before, labels, spec, by)
            }
        }
        )+
    };
}

definition_kinds! {
    /// The kind of session definitions.
    SessionDefinition(SessionDefinitionSpec),
    /// The kind of part definitions.
    PartDefinition(PartDefinitionSpec),
    /// The kind of pod definitions.
    PodDefinition(PodDefinitionSpec),
    /// The kind of host definitions.
    HostDefinition(HostDefinitionSpec),
    /// The kind of job definitions.
    JobDefinition(JobDefinitionSpec),
    /// The kind of report definitions.
    ReportDefinition(ReportDefinitionSpec),
    /// The kind of delivery environments.
    DeliveryEnvironment(DeliveryEnvironmentSpec),
    /// The kind of lab locations.
    LabLocation(LabLocationSpec),
    /// The kind of hosting sites.
    HostingSiteLocation(HostingSiteLocationSpec),
}
