Feature: Listening
  How events are read, kept and gone through.

  Scenario: An event is read as its data unless its envelope is wanted
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - hear: { listen: { to: { one: { with: { type: com.example.a } } }, read: envelope }, output: { as: '.[0] | { id, source, type, subject, color, data }' } }
              - emit:
                  do: [ { send: { emit: { event: { with: { id: e-1, source: 'https://here', type: com.example.a, subject: s, color: blue, data: { n: 1 } } } } } } ]
          output: { as: '.[0]' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { id: e-1, source: 'https://here', type: com.example.a, subject: s, color: blue, data: { n: 1 } }
    """

  Scenario: The raw data of an event is its text
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - hear: { listen: { to: { one: { with: { type: com.example.a } } }, read: raw } }
              - emit:
                  do: [ { send: { emit: { event: { with: { source: 'https://here', type: com.example.a, data: { n: 1 } } } } } } ]
          output: { as: '.[0]' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ '{"n":1}' ]
    """

  Scenario: An event that comes before the task that listens for it is kept
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - send: { emit: { event: { with: { source: 'https://here', type: com.example.a, data: { n: 1 } } } } }
      - pause: { wait: PT0.01S }
      - hear: { listen: { to: { one: { with: { type: com.example.a } } } } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { n: 1 } ]
    """

  Scenario: An iterator has names of its own, and exports
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - hear: { listen: { to: { any: [], until: 'length == 2' } }, foreach: { do: [ { note: { set: '${ { n: $item.n, at: $index } }' } } ], export: { as: '($context // []) + [.n]' } }, output: { as: '{ items: ., context: $context }' } }
              - emit:
                  do: [ { one: { emit: { event: { with: { source: 'https://here', type: com.example.a, data: { n: 5 } } } } } }, { two: { emit: { event: { with: { source: 'https://here', type: com.example.b, data: { n: 6 } } } } } } ]
          output: { as: '.[0]' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { items: [ { n: 5, at: 0 }, { n: 6, at: 1 } ], context: [ 5, 6 ] }
    """

  Scenario: A filter compares each of its attributes
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - hear: { listen: { to: { one: { with: { type: com.example.a, subject: wanted, data: '${ .n == 2 }' } } } } }
              - emit:
                  do: [ { one: { emit: { event: { with: { source: 'https://here', type: com.example.a, subject: other, data: { n: 2 } } } } } }, { two: { emit: { event: { with: { source: 'https://here', type: com.example.a, subject: wanted, data: { n: 1 } } } } } }, { three: { emit: { event: { with: { source: 'https://here', type: com.example.a, subject: wanted, data: { n: 2, it: true } } } } } } ]
          output: { as: '.[0]' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { n: 2, it: true } ]
    """

  Scenario: A correlation waits for the event of the same order
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - hear: { listen: { to: { all: [ { with: { type: com.example.a }, correlate: { order: { from: .data.order } } }, { with: { type: com.example.b }, correlate: { order: { from: .data.order } } } ] } } }
              - emit:
                  do: [ { a1: { emit: { event: { with: { source: 'https://here', type: com.example.a, data: { order: 1 } } } } } }, { b2: { emit: { event: { with: { source: 'https://here', type: com.example.b, data: { order: 2 } } } } } }, { b1: { emit: { event: { with: { source: 'https://here', type: com.example.b, data: { order: 1, it: true } } } } } } ]
          output: { as: '.[0]' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { order: 1 }, { order: 1, it: true } ]
    """

  Scenario: A correlation with an expectation
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - hear: { listen: { to: { one: { with: { type: com.example.a }, correlate: { order: { from: .data.order, expect: '${ .wanted }' } } } } } }
              - emit:
                  do: [ { a1: { emit: { event: { with: { source: 'https://here', type: com.example.a, data: { order: 1 } } } } } }, { a2: { emit: { event: { with: { source: 'https://here', type: com.example.a, data: { order: 2 } } } } } } ]
          output: { as: '.[0]' }
    """
    And given the workflow input is:
    """yaml
    wanted: 2
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { order: 2 } ]
    """

  Scenario: Listening has its time, which can be caught
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          try: [ { hear: { listen: { to: { one: { with: { type: com.example.never } } } }, timeout: { after: PT0.05S } } } ]
          catch: { errors: { with: { status: 408 } }, do: [ { note: { set: { late: true } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    late: true
    """

  Scenario: What is emitted has an id, a source and a time unless they are given
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - send: { emit: { event: { with: { type: com.example.a, data: '${ [.a] }' } } }, output: { as: '{ types: ([.id, .source, .time] | map(type)), specversion, data }' } }
    """
    And given the workflow input is:
    """yaml
    a: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { types: [ string, string, string ], specversion: '1.0', data: [ 1 ] }
    """
