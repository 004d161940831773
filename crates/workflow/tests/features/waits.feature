Feature: Waits and durations

  Scenario: A wait gives its input, however its duration is written
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - iso: { wait: PT1H30M0.5S }
      - parts: { wait: { days: 1, hours: 2, minutes: 3, seconds: 4, milliseconds: 5 } }
      - expression: { wait: '${ .pause }' }
      - last: { set: { a: '${ .a }', seconds: '${ ($task.startedAt.epoch.milliseconds - $workflow.startedAt.epoch.milliseconds) / 1000 }' } }
    """
    And given the workflow input is:
    """yaml
    { a: 1, pause: PT10S }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { a: 1, seconds: 99194.505 }
    """

  Scenario: Each part of a duration may be computed
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - parts: { wait: '${ { minutes: .n } }' }
      - last: { set: { seconds: '${ $task.startedAt.epoch.seconds - $workflow.startedAt.epoch.seconds }' } }
    """
    And given the workflow input is:
    """yaml
    n: 2
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    seconds: 120
    """

  Scenario: A workflow's time includes that of its waits
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    timeout: { after: { minutes: 1 } }
    do:
      - long: { wait: PT59S }
      - longer: { wait: PT2S }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    status: 408
    """
    And long should complete
    And longer should cancel

  Scenario: A workflow's time cannot be caught by a task
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    timeout: { after: PT2S }
    do:
      - attempt: { try: [ { long: { wait: PT9S } } ], catch: { do: [ { never: { set: { a: 1 } } } ] } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    status: 408
    """

  Scenario: A task's time includes what it tries again
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          timeout: { after: PT5S }
          try: [ { no: { raise: { error: { type: https://example.com/a, status: 503 } } } } ]
          catch: { retry: { delay: PT2S } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    status: 408
    instance: /do/0/attempt
    """
