Feature: Types of errors
  The specification's types have several names, and a filter may use any of them.

  Scenario: A filter uses the type of the specification's examples
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: types, version: '1.0.0' }
    do:
      - one:
          try:
            - first: { wait: PT1H, timeout: { after: PT1S } }
          catch:
            errors: { with: { type: https://serverlessworkflow.io/dsl/errors/types/timeout } }
            do: [ { note: { set: { caught: [ '${ $error.type }' ] } } } ]
      - two:
          try:
            - second: { set: '${ 1 | keys }' }
          catch:
            errors: { with: { type: https://open-workflow-specification.org/dsl/errors/types/expression } }
            do: [ { note: { set: { caught: '${ .caught + [ $error.type ] }' } } } ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    caught:
      - https://open-workflow-specification.org/spec/1.0.0/errors/timeout
      - https://open-workflow-specification.org/spec/1.0.0/errors/expression
    """

  Scenario: Another type is another
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: types, version: '1.0.0' }
    do:
      - one:
          try:
            - first: { wait: PT1H, timeout: { after: PT1S } }
          catch:
            errors: { with: { type: https://example.com/dsl/errors/types/timeout } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    status: 408
    instance: /do/0/one/try/0/first
    """
