Feature: Extensions
  Tasks that run before and after others. What they give is for the extension alone, unless it leaves the task out.

  Scenario: Before and after each task of a kind
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    use:
      extensions:
        - log:
            extend: set
            before: [ { enter: { set: { seen: '${ $task.name }' }, export: { as: '{ log: (($context.log // []) + ["enter"]) }' } } } ]
            after: [ { leave: { set: '${ . }', export: { as: '{ log: ($context.log + ["leave \($output.n)"]) }' } } } ]
    do:
      - one: { set: { n: 1 } }
      - two: { do: [ { three: { set: { n: '${ .n + 1 }' } } } ] }
    output: { as: '{ n, log: $context.log }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 2
    log: [ enter, leave 1, enter, leave 2 ]
    """
    And enter should run before leave
    And leave should run last

  Scenario: Only where its condition holds
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    use: { extensions: [ { mark: { extend: all, when: '$task.name == "two"', before: [ { seen: { set: { x: 1 }, export: { as: '{ at: $task.input }' } } } ] } } ] }
    do:
      - one: { set: { n: 1 } }
      - two: { set: { n: 2 } }
    output: { as: $context.at }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 1
    """
    And seen should run after one
    And seen should run last

  Scenario: In place of the task
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    use:
      extensions:
        - mock:
            extend: call
            when: '$task.definition.with.endpoint.uri | startswith("https://mocked.example.com")'
            before: [ { intercept: { set: { statusCode: 200, content: { foo: { bar: baz } } }, then: exit } } ]
    do:
      - real: { call: http, with: { method: get, endpoint: { uri: https://mocked.example.com/x } } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    statusCode: 200
    content: { foo: { bar: baz } }
    """

  Scenario: An error of an extension is the task's
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    use: { extensions: [ { guard: { extend: wait, before: [ { refuse: { raise: { error: { type: https://example.com/errors/no, status: 403 } } } } ] } } ] }
    do:
      - attempt:
          try: [ { pause: { wait: PT1S } } ]
          catch: { do: [ { note: { set: { status: '${ $error.status }' } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 403
    """
