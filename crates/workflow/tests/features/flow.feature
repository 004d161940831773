Feature: Flow, faults and data
  What the specification says of tasks and their data, in the kit's form.

  Scenario: An error that a filter names is caught, and its handler gives the output
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: try, version: '1.0.0' }
    do:
      - attempt:
          try:
            - fail: { raise: { error: { type: https://example.com/errors/teapot, status: 418, title: Teapot } } }
          catch:
            errors: { with: { status: 418 } }
            as: problem
            do:
              - handle: { set: { at: '${ $problem.instance }', title: '${ $problem.title }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    at: /do/0/attempt/try/0/fail
    title: Teapot
    """
    And fail should fault
    And handle should run last

  Scenario: An error that no filter names is not caught
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: try, version: '1.0.0' }
    do:
      - attempt:
          try:
            - fail: { raise: { error: { type: https://example.com/errors/teapot, status: 418 } } }
          catch:
            errors: { with: { status: 503 } }
            do: [ { handle: { set: { handled: true } } } ]
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://example.com/errors/teapot
    status: 418
    instance: /do/0/attempt/try/0/fail
    """

  Scenario: A run that takes too long faults
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: timeout, version: '1.0.0' }
    do:
      - pause: { wait: { seconds: 60 } }
    timeout: { after: { seconds: 30 } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    status: 408
    """

  Scenario: Input that is not what its schema says
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: schema, version: '1.0.0' }
    do:
      - first:
          input: { schema: { format: json, document: { type: object, required: [ id ] } } }
          set: { id: '${ .id }' }
    """
    And given the workflow input is:
    """yaml
    name: x
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    instance: /do/0/first
    """

  Scenario: Data is shaped on its way in, out and into the context
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: data, version: '1.0.0' }
    input: { from: .order }
    do:
      - take:
          input: { from: .pet }
          set: { name: '${ .name }', raw: '${ $task.input.pet.id }' }
          output: { as: '{ pet: . }' }
          export: { as: '{ seen: $output.pet.name }' }
      - skipped: { if: '${ .pet.name == "other" }', set: { x: 1 }, then: end }
      - last: { set: { seen: '${ $context.seen }', raw: '${ .pet.raw }', whole: '${ $workflow.input.order.pet.id }' } }
    output: { as: '{ result: . }' }
    """
    And given the workflow input is:
    """yaml
    order: { pet: { id: 7, name: milou } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    result: { seen: milou, raw: 7, whole: 7 }
    """
    And take should complete with output:
    """yaml
    pet: { name: milou, raw: 7 }
    """
    And take should run before last

  Scenario: Branches give their outputs in the order they are declared
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: fork, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - slow: { do: [ { nap: { wait: PT1S } }, { one: { set: { n: 1 } } } ] }
              - quick: { set: { n: 2 } }
          output: { as: '{ all: . }' }
    """
    When the workflow is executed
    Then the workflow should complete
    And the workflow output should have a 'all' property containing 2 items
    And the workflow output should have a 'all.0.n' property with value:
    """yaml
    1
    """

  Scenario: A loop ends when its condition no longer holds
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: while, version: '1.0.0' }
    do:
      - loop:
          for: { each: n, at: i, in: .numbers }
          while: (.sum // 0) < 3
          do:
            - add: { set: { numbers: '${ .numbers }', sum: '${ (.sum // 0) + $n }', last: '${ $i }' } }
    """
    And given the workflow input is:
    """yaml
    numbers: [ 1, 2, 3, 4 ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    numbers: [ 1, 2, 3, 4 ]
    sum: 3
    last: 1
    """

  Scenario: Exit leaves the list and end leaves the run
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: flow, version: '1.0.0' }
    do:
      - outer:
          do:
            - first: { set: { at: first }, then: exit }
            - never: { set: { at: never } }
      - jump: { set: { at: jump }, then: third }
      - passed: { set: { at: passed } }
      - third: { set: { at: third }, then: end }
      - fourth: { set: { at: fourth } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    at: third
    """
    And outer should run before jump
    And third should run last
