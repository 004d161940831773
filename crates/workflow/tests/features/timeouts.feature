Feature: Timeouts

  Scenario: A task, and what is in it
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - outer:
          timeout: { after: { seconds: 2 } }
          do: [ { inner: { wait: { seconds: 5 } } } ]
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    status: 408
    instance: /do/0/outer
    """
    And inner should cancel
    And outer should fault

  Scenario: By its name, and by an expression
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    use: { timeouts: { short: { after: '${ .limit }' } } }
    do:
      - attempt:
          try: [ { slow: { wait: PT5S, timeout: short } } ]
          catch: { errors: { with: { status: 408 } }, as: late, do: [ { note: { set: { at: '${ $late.instance }' } } } ] }
    """
    And given the workflow input is:
    """yaml
    limit: PT1S
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    at: /do/0/attempt/try/0/slow
    """

  Scenario: A task that is done in time
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - quick: { wait: PT1S, timeout: { after: PT2S } }
    timeout: { after: PT10S }
    """
    And given the workflow input is:
    """yaml
    a: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a: 1
    """

  Scenario: Branches of a fork
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - fork:
          timeout: { after: PT2S }
          fork: { branches: [ { one: { wait: PT1S } }, { two: { wait: PT9S } } ] }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    status: 408
    instance: /do/0/fork
    """
    And one should complete
    And two should cancel
