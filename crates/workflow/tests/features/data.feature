Feature: How data flows
  What each stage is given, and what it changes.

  Scenario: What a task exports is there in tasks within tasks, and after them
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - first: { set: { a: 1 }, export: { as: '{ first: .a }' } }
      - outer:
          do:
            - inner: { set: { b: '${ $context.first + 1 }' }, export: { as: '$context + { inner: .b }' } }
            - next: { set: { c: '${ $context.inner + 1 }' } }
          export: { as: '$context + { outer: .c }' }
      - last: { set: '${ $context }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { first: 1, inner: 2, outer: 3 }
    """

  Scenario: Without an export the context stays what it is, and it is null before
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - before: { set: { context: '${ $context }' } }
      - give: { set: { a: 1 }, export: { as: { kept: '${ .a }' } } }
      - other: { set: { a: 2 } }
      - last: { set: { context: '${ $context }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    context: { kept: 1 }
    """

  Scenario: What is exported is the transformed output, and `$output` is that
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - shape:
          set: { a: 1, b: 2 }
          output: { as: '{ a: (.a * 10) }' }
          export: { as: '{ dot: ., output: $output, raw: $task.output }' }
      - last: { set: '${ $context }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { dot: { a: 10 }, output: { a: 10 }, raw: { a: 1, b: 2 } }
    """

  Scenario: The transformed input is the task's own, the raw one its description's
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    input: { from: .order }
    do:
      - look:
          input: { from: '{ id: .id, extra: true }' }
          set: { dot: '${ . }', input: '${ $input }', raw: '${ $task.input }', workflow: '${ $workflow.input }' }
    """
    And given the workflow input is:
    """yaml
    order: { id: 7 }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    dot: { id: 7, extra: true }
    input: { id: 7, extra: true }
    raw: { id: 7 }
    workflow: { order: { id: 7 } }
    """

  Scenario: A condition sees the raw input, before it is checked or transformed
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - skipped:
          if: .wanted
          input: { schema: { document: { required: [ other ] } }, from: '{ wanted: true }' }
          set: { ran: true }
    """
    And given the workflow input is:
    """yaml
    wanted: false
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    wanted: false
    """

  Scenario: Raw input is checked before it is transformed
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - check:
          input: { schema: { document: { type: object, required: [ id ] } }, from: '{ id: 1 }' }
          set: { ran: true }
    """
    And given the workflow input is:
    """yaml
    {}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    instance: /do/0/check
    """

  Scenario: Output is checked after it is transformed
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - good: { set: { a: 1 }, output: { as: .a, schema: { document: { type: integer } } } }
      - bad: { set: { a: 1 }, output: { as: .a, schema: { document: { type: string } } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    instance: /do/1/bad
    """
    And good should complete with output:
    """yaml
    1
    """

  Scenario: The new context is checked
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - bad: { set: { a: 1 }, export: { as: '{ a: .a }', schema: { document: { type: object, required: [ b ] } } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    instance: /do/0/bad
    """

  Scenario: The workflow's output is transformed and then checked
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - give: { set: { a: 1 } }
    output: { as: { b: '${ .a }' }, schema: { document: { required: [ a ] } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    """

  Scenario: The workflow's output knows the context
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - give: { set: { a: 1 }, export: { as: '{ total: 5 }' } }
    output: { as: '{ a, total: $context.total, name: $workflow.definition.document.name }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { a: 1, total: 5, name: case }
    """

  Scenario: What data looks like is never evaluated
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - pass: { set: { text: '${ .text }', whole: 'It is ${ .text }' } }
    """
    And given the workflow input is:
    """yaml
    text: ${ 1 + 1 }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    text: ${ 1 + 1 }
    whole: It is ${ 1 + 1 }
    """

  Scenario: An expression that fails is an error of expressions
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - outer: { do: [ { add: { set: { sum: '${ .a + 1 }' } } } ] }
    """
    And given the workflow input is:
    """yaml
    a: text
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/expression
    status: 400
    instance: /do/0/outer/do/0/add
    """

  Scenario: A list that an expression gives is a list, and keys are never expressions
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - shape: { set: { '${ .a }': '${ [.n[] * 2] }', nested: { deep: [ '${ .n | length }', plain ] } } }
    """
    And given the workflow input is:
    """yaml
    n: [ 1, 2 ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    '${ .a }': [ 2, 4 ]
    nested: { deep: [ 2, plain ] }
    """

  Scenario: A whole value may be set by an expression
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - list: { set: '${ [.a, .b] }' }
      - text: { set: '${ map(tostring) | join("-") }' }
    """
    And given the workflow input is:
    """yaml
    { a: 1, b: 2 }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    1-2
    """
