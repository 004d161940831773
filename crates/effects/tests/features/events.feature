Feature: Events

  Scenario: What is emitted is a CloudEvent
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - emitEvent:
          emit:
            event:
              with:
                source: https://fake-source.com
                type: com.fake-source.user.greeted.v1
                data: { greetings: '${ "Hello \(.name)!" }' }
    """
    And given the workflow input is:
    """yaml
    name: Ada
    """
    When the workflow is executed
    Then the workflow should complete
    And the workflow output should have properties 'id', 'specversion', 'time', 'source', 'type', 'data'
    And the workflow output should have a 'source' property with value:
    """yaml
    https://fake-source.com
    """
    And the workflow output should have a 'data' property with value:
    """yaml
    greetings: Hello Ada!
    """

  Scenario: One event
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - hear: { listen: { to: { one: { with: { type: com.example.n2 } } } } }
              - emit:
                  for: { each: n, in: '${ [1, 2, 3] }' }
                  do:
                    - pause: { wait: PT0.02S }
                    - send: { emit: { event: { with: { type: 'com.example.n${ $n }', data: { n: '${ $n }' } } } } }
          output: { as: '.[0]' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { n: 2 } ]
    """

  Scenario: Any of several, of which the data is compared
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - hear: { listen: { to: { any: [ { with: { type: com.example.n9 } }, { with: { type: 'com[.]example[.]n[0-9]', data: '${ .n > 1 }' } } ] } } }
              - emit:
                  for: { each: n, in: '${ [1, 2, 3] }' }
                  do:
                    - pause: { wait: PT0.02S }
                    - send: { emit: { event: { with: { type: 'com.example.n${ $n }', data: { n: '${ $n }' } } } } }
          output: { as: '.[0]' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { n: 2 } ]
    """

  Scenario: All of several, in the order in which they come
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - hear: { listen: { to: { all: [ { with: { type: com.example.n3 } }, { with: { type: com.example.n1 } } ] } } }
              - emit:
                  for: { each: n, in: '${ [1, 2, 3] }' }
                  do:
                    - pause: { wait: PT0.02S }
                    - send: { emit: { event: { with: { type: 'com.example.n${ $n }', data: { n: '${ $n }' } } } } }
          output: { as: '.[0]' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { n: 1 }, { n: 3 } ]
    """

  Scenario: Any until a condition holds
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - hear: { listen: { to: { any: [], until: 'length == 2' } } }
              - emit:
                  for: { each: n, in: '${ [1, 2, 3] }' }
                  do:
                    - pause: { wait: PT0.02S }
                    - send: { emit: { event: { with: { type: 'com.example.n${ $n }', data: { n: '${ $n }' } } } } }
          output: { as: '.[0]' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { n: 1 }, { n: 2 } ]
    """

  Scenario: Any until another event comes, which is not among them
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - hear: { listen: { to: { any: [ { with: { type: 'com[.]example[.]n[12]' } } ], until: { one: { with: { type: com.example.n3 } } } } } }
              - emit:
                  for: { each: n, in: '${ [1, 2, 3] }' }
                  do:
                    - pause: { wait: PT0.02S }
                    - send: { emit: { event: { with: { type: 'com.example.n${ $n }', data: { n: '${ $n }' } } } } }
          output: { as: '.[0]' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { n: 1 }, { n: 2 } ]
    """

  Scenario: Each event has its tasks
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - hear: { listen: { to: { any: [], until: 'length == 3' } } , foreach: { item: event, at: i, do: [ { times: { set: { n: '${ $event.n * 10 + $i }' } } } ], output: { as: .n } } }
              - emit:
                  for: { each: n, in: '${ [1, 2, 3] }' }
                  do:
                    - pause: { wait: PT0.02S }
                    - send: { emit: { event: { with: { type: 'com.example.n${ $n }', data: { n: '${ $n }' } } } } }
          output: { as: '.[0]' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ 10, 21, 32 ]
    """

  Scenario: Events that have something in common
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - both:
          fork:
            branches:
              - hear: { listen: { to: { all: [ { with: { type: com.example.n1 }, correlate: { kind: { from: '.type[:11]' } } }, { with: { type: com.example.n2 }, correlate: { kind: { from: '.type[:11]', expect: com.example } } } ] } } }
              - emit:
                  for: { each: n, in: '${ [1, 2, 3] }' }
                  do:
                    - pause: { wait: PT0.02S }
                    - send: { emit: { event: { with: { type: 'com.example.n${ $n }', data: { n: '${ $n }' } } } } }
          output: { as: '.[0]' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [ { n: 1 }, { n: 2 } ]
    """
