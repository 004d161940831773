//! `run`: shell commands, scripts, containers and other workflows.

use std::sync::Arc;

use tessera_types::limits::clip;

use super::data::{text, whole};
use super::run::Machine;
use super::scope::{Parent, ScopeId};
use super::uri::{Pairs, pairs};
use super::work::Purpose;
use super::{Action, ContainerSpec, Error, ProcessSpec, ScriptSpec, ShellSpec, StartRun, kind};
use crate::definition::{Container, Process, Return, Run, Script, Shell, Source, SubWorkflow};
use crate::expression::Template;
use crate::value::{Value, field, object};

/// Characters of a failed process's last words that its error repeats.
const STDERR_CHARS_MAX: usize = 500;

impl Machine {
    pub(super) fn run_process(
        &mut self,
        id: ScopeId,
        run: &Run,
        input: &Value,
    ) -> Result<(), Error> {
        let spec = match &run.process {
            Process::Workflow(workflow) => {
                return self.run_workflow(id, workflow, run.awaits, input);
            }
            Process::Shell(shell) => ProcessSpec::Shell(self.shell(id, shell, input)?),
            Process::Script(script) => match self.script(id, script, input)? {
                Some(script) => ProcessSpec::Script(script),
                None => return Ok(()),
            },
            Process::Container(container) => {
                ProcessSpec::Container(self.container(id, container, input)?)
            }
        };
        self.want(id, Purpose::Body, Action::Process { spec, awaits: run.awaits }).map(drop)
    }

    fn shell(&self, id: ScopeId, shell: &Shell, input: &Value) -> Result<ShellSpec, Error> {
        Ok(ShellSpec {
            command: self.text_at(id, &shell.command, input, "run/shell/command")?,
            arguments: self.list_at(id, shell.arguments.as_ref(), input, "run/shell/arguments")?,
            environment: self.pairs_at(id, shell.environment.as_ref(), input, "environment")?,
            stdin: self.stdin(id, shell.stdin.as_ref(), input)?,
        })
    }

    fn script(
        &mut self,
        id: ScopeId,
        script: &Script,
        input: &Value,
    ) -> Result<Option<ScriptSpec>, Error> {
        let code = match &script.source {
            Source::Code(code) => self.text_at(id, code, input, "run/script/code")?,
            Source::Resource(resource) => match self.text_of(id, resource)? {
                Some((_, text)) => text,
                None => return Ok(None),
            },
        };
        Ok(Some(ScriptSpec {
            language: script.language.clone(),
            code,
            arguments: self.list_at(
                id,
                script.arguments.as_ref(),
                input,
                "run/script/arguments",
            )?,
            environment: self.pairs_at(id, script.environment.as_ref(), input, "environment")?,
            stdin: self.stdin(id, script.stdin.as_ref(), input)?,
        }))
    }

    fn container(
        &self,
        id: ScopeId,
        it: &Container,
        input: &Value,
    ) -> Result<ContainerSpec, Error> {
        let text = |template: &Option<Template>, field| {
            template.as_ref().map(|it| self.text_at(id, it, input, field)).transpose()
        };
        let pairs =
            |template: &Option<Template>, field| self.pairs_at(id, template.as_ref(), input, field);
        let cleanup = it.cleanup_after.as_ref();
        Ok(ContainerSpec {
            image: self.text_at(id, &it.image, input, "run/container/image")?,
            name: text(&it.name, "run/container/name")?,
            command: text(&it.command, "run/container/command")?,
            arguments: self.list_at(id, it.arguments.as_ref(), input, "run/container/arguments")?,
            environment: pairs(&it.environment, "run/container/environment")?,
            ports: ports(&pairs(&it.ports, "run/container/ports")?)?,
            volumes: pairs(&it.volumes, "run/container/volumes")?,
            stdin: self.stdin(id, it.stdin.as_ref(), input)?,
            pull: it.pull.clone(),
            cleanup_after: cleanup
                .map(|period| self.period(id, period, input, "run/container/lifetime/after"))
                .transpose()?,
        })
    }

    fn text_at(
        &self,
        id: ScopeId,
        template: &Template,
        input: &Value,
        field: &str,
    ) -> Result<Arc<str>, Error> {
        Ok(text(&self.evaluate(id, template, input, field)?).into())
    }

    fn list_at(
        &self,
        id: ScopeId,
        template: Option<&Template>,
        input: &Value,
        field: &str,
    ) -> Result<Vec<Arc<str>>, Error> {
        match self.evaluate_some(id, template, input, field)?.unwrap_or_default() {
            Value::Null => Ok(Vec::new()),
            Value::Arr(all) => Ok(all.iter().map(|it| text(it).into()).collect()),
            _ => Err(Error::expression(format!("{field} must be a list"))),
        }
    }

    fn pairs_at(
        &self,
        id: ScopeId,
        template: Option<&Template>,
        input: &Value,
        field: &str,
    ) -> Result<Pairs, Error> {
        pairs(&self.evaluate_some(id, template, input, field)?.unwrap_or_default(), field)
    }

    fn stdin(
        &self,
        id: ScopeId,
        template: Option<&Template>,
        input: &Value,
    ) -> Result<Option<Arc<str>>, Error> {
        let value = self.evaluate_some(id, template, input, "stdin")?;
        Ok(value.filter(|it| *it != Value::Null).map(|it| text(&it).into()))
    }

    fn run_workflow(
        &mut self,
        id: ScopeId,
        workflow: &SubWorkflow,
        awaits: bool,
        input: &Value,
    ) -> Result<(), Error> {
        let namespace = self.text_at(id, &workflow.namespace, input, "run/workflow/namespace")?;
        let name = self.text_at(id, &workflow.name, input, "run/workflow/name")?;
        let version = self.text_at(id, &workflow.version, input, "run/workflow/version")?;
        let action = if awaits {
            self.deeper(&self.scope(id)?.env)?;
            Action::FindWorkflow { namespace, name, version }
        } else {
            let input = self.workflow_input(id, workflow, input)?;
            Action::StartRun(StartRun { namespace, name, version, input })
        };
        self.want(id, Purpose::Body, action).map(drop)
    }

    fn workflow_input(
        &self,
        id: ScopeId,
        workflow: &SubWorkflow,
        input: &Value,
    ) -> Result<Value, Error> {
        let given = self.evaluate_some(id, workflow.input.as_ref(), input, "run/workflow/input")?;
        Ok(given.unwrap_or_else(|| input.clone()))
    }

    /// What the output is of a process or a workflow that ended, or was begun.
    pub(super) fn process_done(
        &mut self,
        id: ScopeId,
        run: &Run,
        result: &Value,
    ) -> Result<(), Error> {
        if !run.awaits {
            let input = self.task(id)?.input().clone();
            return self.produced(id, input);
        }
        let Process::Workflow(workflow) = &run.process else {
            return self.produced(id, process_output(run.output, result)?);
        };
        let input = self.task(id)?.input().clone();
        let input = self.workflow_input(id, workflow, &input)?;
        let definition = text(field(result, "definition"));
        let found = self.reader.workflow(&definition).map_err(Error::configuration)?;
        let depth = self.deeper(&self.scope(id)?.env)?;
        self.begin_run(Some(Parent { id, slot: 0 }), found, input, depth);
        Ok(())
    }
}

fn process_output(output: Return, result: &Value) -> Result<Value, Error> {
    let get = |name| field(result, name).clone();
    let code = get("code");
    if whole(&code) != Some(0) && !matches!(output, Return::Code | Return::All) {
        return Err(process_failed(&code, &text(&get("stderr"))));
    }
    Ok(match output {
        Return::Stdout => get("stdout"),
        Return::Stderr => get("stderr"),
        Return::Code => code,
        Return::All => {
            object([("code", code), ("stdout", get("stdout")), ("stderr", get("stderr"))])
        }
        Return::None => Value::Null,
    })
}

fn process_failed(code: &Value, stderr: &str) -> Error {
    let stderr = stderr.trim_end();
    let skipped = stderr.chars().count().saturating_sub(STDERR_CHARS_MAX);
    let end: String = stderr.chars().skip(skipped).collect();
    let shown = if skipped > 0 { format!("…{end}") } else { end };
    let code = clip(&text(code), 20);
    let detail = match shown.is_empty() {
        true => format!("exit code {code}, and nothing was written to stderr"),
        false => format!("exit code {code}: {shown}"),
    };
    Error::new(kind::RUNTIME, 500, "The process failed", detail)
}

/// Ports of the container and of the machine, as pairs the other way round.
fn ports(pairs: &Pairs) -> Result<Vec<(u16, u16)>, Error> {
    let number = |text: &str| {
        text.parse().map_err(|_| {
            Error::configuration(format!("run/container/ports: `{}` is no port", clip(text, 20)))
        })
    };
    pairs.iter().map(|(container, machine)| Ok((number(machine)?, number(container)?))).collect()
}
