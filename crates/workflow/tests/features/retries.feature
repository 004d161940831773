Feature: Retries
  Whether and when tasks are tried again after an error.

  Scenario: The last error is the task's own when no more tries are left
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          try:
            - fail: { raise: { error: { type: https://example.com/errors/busy, status: 503 } } }
          catch:
            errors: { with: { status: 503 } }
            retry: { delay: { seconds: 3 }, backoff: { exponential: {} }, limit: { attempt: { count: 5 } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://example.com/errors/busy
    status: 503
    instance: /do/0/attempt/try/0/fail
    """
    And attempt should fault

  Scenario: A constant delay
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          try:
            - fail: { raise: { error: { type: https://example.com/errors/busy, status: 503 } } }
          catch:
            errors: { with: { status: 503 } }
            retry: { delay: PT2S, backoff: { constant: {} }, limit: { attempt: { count: 3 } } }
            do: [ { give: { set: { status: '${ $error.status }', waited: '${ now - $workflow.startedAt.epoch.seconds }' } } } ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 503
    waited: 6
    """

  Scenario: A delay that grows by itself
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          try:
            - fail: { raise: { error: { type: https://example.com/errors/busy, status: 503 } } }
          catch:
            errors: { with: { status: 503 } }
            retry: { delay: { seconds: 2 }, backoff: { linear: {} }, limit: { attempt: { count: 3 } } }
            do: [ { give: { set: { status: '${ $error.status }', waited: '${ now - $workflow.startedAt.epoch.seconds }' } } } ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 503
    waited: 12
    """

  Scenario: A delay that doubles
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          try:
            - fail: { raise: { error: { type: https://example.com/errors/busy, status: 503 } } }
          catch:
            errors: { with: { status: 503 } }
            retry: { delay: { seconds: 2 }, backoff: { exponential: {} }, limit: { attempt: { count: 3 } } }
            do: [ { give: { set: { status: '${ $error.status }', waited: '${ now - $workflow.startedAt.epoch.seconds }' } } } ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 503
    waited: 14
    """

  Scenario: A policy by its name
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    use: { retries: { often: { delay: PT3S, limit: { attempt: { count: 2 } } } } }
    do:
      - attempt:
          try:
            - fail: { raise: { error: { type: https://example.com/errors/busy, status: 503 } } }
          catch:
            errors: { with: { status: 503 } }
            retry: often
            do: [ { give: { set: { status: '${ $error.status }', waited: '${ now - $workflow.startedAt.epoch.seconds }' } } } ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 503
    waited: 6
    """

  Scenario: A limit of the whole
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          try:
            - fail: { raise: { error: { type: https://example.com/errors/busy, status: 503 } } }
          catch:
            errors: { with: { status: 503 } }
            retry: { delay: PT4S, limit: { duration: PT10S } }
            do: [ { give: { set: { status: '${ $error.status }', waited: '${ now - $workflow.startedAt.epoch.seconds }' } } } ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 503
    waited: 8
    """

  Scenario: A condition that does not hold
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          try:
            - fail: { raise: { error: { type: https://example.com/errors/busy, status: 503 } } }
          catch:
            errors: { with: { status: 503 } }
            retry: { when: '$error.status == 500', delay: PT1S, limit: { attempt: { count: 3 } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://example.com/errors/busy
    status: 503
    instance: /do/0/attempt/try/0/fail
    """

  Scenario: An exception that holds
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          try:
            - fail: { raise: { error: { type: https://example.com/errors/busy, status: 503 } } }
          catch:
            errors: { with: { status: 503 } }
            retry: { exceptWhen: '${ $error.status == 503 }', delay: PT1S, limit: { attempt: { count: 3 } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://example.com/errors/busy
    status: 503
    instance: /do/0/attempt/try/0/fail
    """

  Scenario: Each try has its time
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          try:
            - pause: { wait: PT1H }
          catch:
            retry: { limit: { attempt: { count: 2, duration: PT5S } } }
            do: [ { give: { set: { status: '${ $error.status }', waited: '${ now - $workflow.startedAt.epoch.seconds }' } } } ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 408
    waited: 15
    """
