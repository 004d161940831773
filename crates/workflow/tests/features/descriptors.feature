Feature: What a run says of itself
  `$task`, `$workflow` and `$runtime`.

  Scenario: A task knows its name, its reference and its definition
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - outer:
          do:
            - inner: { set: { name: '${ $task.name }', reference: '${ $task.reference }', kind: '${ $task.definition | keys }' }, metadata: { of: me } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    name: inner
    reference: /do/0/outer/do/0/inner
    kind: [ metadata, set ]
    """

  Scenario: A task knows when it began
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - look:
          set:
            iso: '${ $task.startedAt.iso8601 | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$") }'
            same: '${ ($task.startedAt.epoch.milliseconds / 1000 | floor) == $task.startedAt.epoch.seconds }'
            not_before: '${ $task.startedAt.epoch.milliseconds >= $workflow.startedAt.epoch.milliseconds }'
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { iso: true, same: true, not_before: true }
    """

  Scenario: A workflow knows its definition, its raw input and the run's id
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    input: { from: .a }
    do:
      - look:
          set:
            document: '${ $workflow.definition.document }'
            tasks: '${ $workflow.definition.do | length }'
            raw: '${ $workflow.input }'
            id: '${ $workflow.id | type }'
    """
    And given the workflow input is:
    """yaml
    a: { b: 1 }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    tasks: 1
    raw: { a: { b: 1 } }
    id: string
    """

  Scenario: The runtime has a name and a version
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - look: { set: { types: '${ [$runtime.name, $runtime.version, $runtime.metadata] | map(type) }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    types: [ string, string, object ]
    """

  Scenario: The raw output is known when it is transformed
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - look: { set: { a: 1 }, output: { as: '{ raw: $task.output, dot: . }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { raw: { a: 1 }, dot: { a: 1 } }
    """
