Feature: Choices
  Switches, forks and directives.

  Scenario: The first case that holds is taken
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - which:
          switch:
            - small: { when: .n < 10, then: a }
            - smaller: { when: .n < 5, then: b }
      - b: { set: { is: b }, then: end }
      - a: { set: { is: a } }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    is: a
    """

  Scenario: The case without a condition is for when no other holds, wherever it stands
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - which:
          switch:
            - default: { then: b }
            - small: { when: .n < 10, then: a }
      - b: { set: { is: b }, then: end }
      - a: { set: { is: a } }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    is: a
    """

  Scenario: Where no case holds the next task follows
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - which: { switch: [ { small: { when: .n < 10, then: end } } ] }
      - next: { set: { is: next } }
    """
    And given the workflow input is:
    """yaml
    n: 50
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    is: next
    """

  Scenario: Where no case holds the switch's own directive applies
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - which: { switch: [ { small: { when: .n < 10, then: end } } ], then: last }
      - next: { set: { is: next } }
      - last: { set: { n: '${ .n + 1 }' } }
    """
    And given the workflow input is:
    """yaml
    n: 50
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 51
    """

  Scenario: A switch gives its input, also when it ends the list
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - inner: { do: [ { which: { switch: [ { all: { then: exit } } ] } }, { never: { set: { is: never } } } ] }
      - after: { set: { n: '${ .n + 1 }' } }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 2
    """

  Scenario: A task leads back until a condition holds
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - add: { set: { n: '${ .n + 1 }' } }
      - again: { switch: [ { more: { when: .n < 5, then: add } } ] }
    """
    And given the workflow input is:
    """yaml
    n: 0
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 5
    """

  Scenario: Branches have the fork's input, and only the winner of a race counts
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - one: { set: { v: '${ .n + 1 }' } }
              - two: { set: { v: '${ .n + 2 }' } }
      - race:
          fork:
            compete: true
            branches:
              - slow: { wait: PT9S }
              - quick: { set: { won: '${ length }' } }
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    won: 2
    """
    And both should complete with output:
    """yaml
    [ { v: 2 }, { v: 3 } ]
    """
    And slow should cancel

  Scenario: An error in a branch ends the others, and can be caught outside
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          try:
            - both:
                fork:
                  branches:
                    - bad: { raise: { error: { type: https://example.com/bad, status: 409 } } }
                    - slow: { wait: PT9S }
          catch: { as: e, do: [ { note: { set: { at: '${ $e.instance }', status: '${ $e.status }' } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { at: /do/0/attempt/try/0/both/fork/branches/0/bad, status: 409 }
    """
    And slow should cancel

  Scenario: End within a task ends the run with what there is
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - outer: { do: [ { inner: { set: { a: 1 }, then: end } }, { never: { set: { a: 2 } } } ] }
      - last: { set: { a: 3 } }
    output: { as: '{ out: .a }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    out: 1
    """

  Scenario: A task that is skipped leaves its directive alone
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - skipped: { if: .a > 1, set: { a: 0 }, then: end }
      - next: { set: { a: '${ .a + 1 }' } }
    """
    And given the workflow input is:
    """yaml
    a: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a: 2
    """
