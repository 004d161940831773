Feature: Loops

  Scenario: The item and its index have these names unless others are given
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - loop:
          for: { in: .names }
          do: [ { add: { set: { names: [], got: '${ (.got // []) + ["\($index)\($item)"] }' } } } ]
      - rest: { set: '${ .got }' }
    """
    And given the workflow input is:
    """yaml
    names: [ a, b ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ 0a, 1b ]
    """

  Scenario: Loops within loops see the outer item
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - rows:
          for: { each: row, at: r, in: '${ [[1, 2], [3]] }' }
          do:
            - cells:
                for: { each: cell, at: c, in: $row }
                do: [ { add: { set: { seen: '${ (.seen // []) + ["\($r)\($c)\($cell)"] }' } } } ]
    """
    And given the workflow input is:
    """yaml
    {}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    seen: [ '001', '012', '103' ]
    """

  Scenario: A list without elements is no round, and the input is the output
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - loop: { for: { in: '${ [] }' }, do: [ { never: { set: { ran: true } } } ] }
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

  Scenario: A condition is looked at before each round, with its item
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - loop:
          for: { each: n, in: '${ [1, 2, 3, 4] }' }
          while: $n < 3 and .sum < 100
          do: [ { add: { set: { sum: '${ .sum + $n }' } } } ]
    """
    And given the workflow input is:
    """yaml
    sum: 0
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    sum: 3
    """

  Scenario: A list that stands in the document
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - loop:
          for: { each: it, in: [ { n: 1 }, { n: 2 } ] }
          do: [ { add: { set: { sum: '${ .sum + $it.n }' } } } ]
    """
    And given the workflow input is:
    """yaml
    sum: 0
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    sum: 3
    """

  Scenario: Exit ends a round and not the loop
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - loop:
          for: { each: n, in: '${ [1, 2, 3] }' }
          do:
            - add: { set: { sum: '${ .sum + $n }' }, then: exit }
            - never: { set: { sum: 1000 } }
    """
    And given the workflow input is:
    """yaml
    sum: 0
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    sum: 6
    """

  Scenario: What is no list is an error
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - loop: { for: { in: .a }, do: [ { never: { set: { ran: true } } } ] }
    """
    And given the workflow input is:
    """yaml
    a: 1
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    instance: /do/0/loop
    """

  Scenario: The output of a loop is transformed once
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - loop:
          for: { each: n, in: '${ [1, 2, 3] }' }
          do: [ { add: { set: { sum: '${ .sum + $n }' } } } ]
          output: { as: '{ total: .sum }' }
          export: { as: '{ kept: .total }' }
      - last: { set: { total: '${ .total }', kept: '${ $context.kept }' } }
    """
    And given the workflow input is:
    """yaml
    sum: 0
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { total: 6, kept: 6 }
    """

  Scenario: An error in a round says where it is
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - loop:
          for: { each: n, in: '${ [1, 0] }' }
          do: [ { divide: { set: { q: '${ 1 / $n }' } } } ]
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/expression
    status: 400
    instance: /do/0/loop/do/0/divide
    """
