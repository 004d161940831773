//! Documents that a run needs on its way: functions of catalogs, schemas, scripts.
//!
//! Each is fetched once in a run, and its text is in the journal: what a run began with, it ends
//! with.

use std::sync::Arc;

use super::run::Machine;
use super::scope::ScopeId;
use super::work::Purpose;
use super::{Action, Error, Fetch};
use crate::definition::{Resource, Schema, Task};

/// A document's URI and its text.
type Text = (Arc<str>, Arc<str>);

impl Machine {
    /// The text of a resource. None when it is still to be fetched: the scope is advanced again
    /// when it is there.
    pub(super) fn text_of(
        &mut self,
        id: ScopeId,
        resource: &Resource,
    ) -> Result<Option<Text>, Error> {
        let fetch = self.fetch(id, resource)?;
        self.fetched(id, fetch)
    }

    /// How a resource is fetched.
    pub(super) fn fetch(&mut self, id: ScopeId, resource: &Resource) -> Result<Fetch, Error> {
        let uri = self.uri(id, &resource.endpoint.uri)?;
        let authentication = resource.endpoint.authentication.as_deref();
        let authorization = self.authorization(id, authentication)?.map(|(it, _)| it);
        Ok(Fetch { uri, authorization })
    }

    fn fetched(&mut self, id: ScopeId, fetch: Fetch) -> Result<Option<Text>, Error> {
        if let Some(text) = self.library.texts.get(&fetch.uri) {
            return Ok(Some((fetch.uri, text.clone())));
        }
        if self.scope(id)?.step.is_some() {
            // It was asked for before: a listener is advanced by events meanwhile.
            return Ok(None);
        }
        let purpose = Purpose::Text(fetch.uri.clone());
        self.want(id, purpose, Action::Fetch(fetch))?;
        Ok(None)
    }

    pub(super) fn schema(
        &mut self,
        id: ScopeId,
        resource: &Resource,
    ) -> Result<Option<Arc<Schema>>, Error> {
        let Some((uri, text)) = self.text_of(id, resource)? else { return Ok(None) };
        if let Some(schema) = self.library.schemas.get(&uri) {
            return Ok(Some(schema.clone()));
        }
        let schema = self.reader.schema(&text);
        let schema = schema.map_err(|why| Error::configuration(format!("schema {uri}: {why}")))?;
        if matches!(*schema, Schema::Resource(_)) {
            return Err(Error::configuration(format!("schema {uri} is none but refers to one")));
        }
        self.library.schemas.insert(uri, schema.clone());
        Ok(Some(schema))
    }

    /// A function of a catalog; of the default one when no resource is given.
    pub(super) fn function(
        &mut self,
        id: ScopeId,
        name: &Arc<str>,
        resource: Option<&Resource>,
    ) -> Result<Option<Arc<Task>>, Error> {
        let fetch = match resource {
            Some(resource) => self.fetch(id, resource)?,
            None => Fetch { uri: name.clone(), authorization: None },
        };
        let Some((uri, text)) = self.fetched(id, fetch)? else { return Ok(None) };
        if let Some(task) = self.library.functions.get(&uri) {
            return Ok(Some(task.clone()));
        }
        let task = self.reader.function(&text);
        let task = task.map_err(|why| Error::configuration(format!("function {name}: {why}")))?;
        self.library.functions.insert(uri, task.clone());
        Ok(Some(task))
    }
}
