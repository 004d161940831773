Feature: Errors

  Scenario: An error of the document, whose texts are expressions
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    use:
      errors:
        refused: { type: https://example.com/refused, status: 418, title: '${ "No \(.what)" }', detail: 'It is ${ .n } too many' }
    do:
      - no: { raise: { error: refused } }
    """
    And given the workflow input is:
    """yaml
    { what: tea, n: 3 }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://example.com/refused
    status: 418
    title: No tea
    detail: It is 3 too many
    instance: /do/0/no
    """

  Scenario: An instance that is given stays
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - no: { raise: { error: { type: https://example.com/refused, status: 400, instance: /here } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    instance: /here
    """

  Scenario: A catch by status takes what another filter does not
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          try:
            - inner:
                try: [ { no: { raise: { error: { type: https://example.com/a, status: 404 } } } } ]
                catch: { errors: { with: { status: 500 } }, do: [ { wrong: { set: { by: inner } } } ] }
          catch: { errors: { with: { type: https://example.com/a, status: 404 } }, do: [ { right: { set: { by: outer, at: '${ $error.instance }' } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { by: outer, at: /do/0/attempt/try/0/inner/try/0/no }
    """

  Scenario: A condition and an exception of a catch
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - a:
          try: [ { no: { raise: { error: { type: https://example.com/a, status: 404 } } } } ]
          catch: { as: e, when: $e.status == 404, exceptWhen: $e.title == "x", do: [ { note: { set: { a: true } } } ] }
      - b:
          try: [ { no2: { raise: { error: { type: https://example.com/a, status: 404, title: x } } } } ]
          catch: { as: e, when: $e.status == 404, exceptWhen: $e.title == "x", do: [ { never: { set: { b: true } } } ] }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    status: 404
    instance: /do/1/b/try/0/no2
    """
    And a should complete with output:
    """yaml
    a: true
    """

  Scenario: The tasks of a catch have the input of the try
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          input: { from: '{ n: .n }' }
          try:
            - change: { set: { n: 100 } }
            - no: { raise: { error: { type: https://example.com/a, status: 400 } } }
          catch: { do: [ { note: { set: { n: '${ .n }' } } } ] }
    """
    And given the workflow input is:
    """yaml
    { n: 1, more: 2 }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 1
    """

  Scenario: Without tasks a catch gives the input of the try
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          try: [ { no: { raise: { error: { type: https://example.com/a, status: 400 } } } } ]
          catch: {}
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 1
    """

  Scenario: What a catch says comes next, and the try's own where all is well
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - bad:
          try: [ { no: { raise: { error: { type: https://example.com/a, status: 400 } } } } ]
          catch: { then: good }
          then: never
      - never: { set: { never: true }, then: end }
      - good:
          try: [ { yes: { set: { ok: 1 } } } ]
          catch: { then: never }
          then: last
      - between: { set: { never: true } }
      - last: { set: { ok: '${ .ok + 1 }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    ok: 2
    """

  Scenario: An error in a catch is an error of its own
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          try: [ { no: { raise: { error: { type: https://example.com/a, status: 400 } } } } ]
          catch: { do: [ { again: { raise: { error: { type: https://example.com/b, status: 401 } } } } ] }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://example.com/b
    status: 401
    instance: /do/0/attempt/catch/do/0/again
    """

  Scenario: A catch sees errors of expressions, validation and time by their types
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - expression:
          try: [ { x: { set: { a: '${ 1 + {} }' } } } ]
          catch: { errors: { with: { type: https://open-workflow-specification.org/spec/1.0.0/errors/expression } }, do: [ { e: { set: { got: [ expression ] } } } ] }
      - validation:
          try: [ { y: { input: { schema: { document: { type: string } } }, set: { a: 1 } } } ]
          catch: { errors: { with: { type: https://open-workflow-specification.org/spec/1.0.0/errors/validation } }, do: [ { v: { set: { got: '${ .got + ["validation"] }' } } } ] }
      - timeout:
          try: [ { z: { wait: PT1H, timeout: { after: PT1S } } } ]
          catch: { errors: { with: { type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout } }, do: [ { t: { set: { got: '${ .got + ["timeout"] }' } } } ] }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    got: [ expression, validation, timeout ]
    """
