Feature: Calls over HTTP

  Scenario: The content of an answer
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - getPet:
          call: http
          with: { method: get, endpoint: 'https://pets.example.com/pets/{petId}' }
          output: { as: .name }
    """
    And given the workflow input is:
    """yaml
    petId: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    milou
    """

  Scenario: The whole answer
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - getPet:
          call: http
          with: { method: get, endpoint: { uri: 'https://pets.example.com/pets/{petId}' }, output: response }
    """
    And given the workflow input is:
    """yaml
    petId: 1
    """
    When the workflow is executed
    Then the workflow should complete
    And the workflow output should have properties 'request', 'request.method', 'request.uri', 'request.headers', 'headers', 'statusCode', 'content'
    And the workflow output should have a 'content.id' property with value:
    """yaml
    1
    """
    And the workflow output should have a 'request.method' property with value:
    """yaml
    get
    """
    And the workflow output should have a 'request.uri' property with value:
    """yaml
    https://pets.example.com/pets/1
    """
    And the workflow output should have a 'statusCode' property with value:
    """yaml
    200
    """

  Scenario: The bytes of an answer
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - get: { call: http, with: { method: get, endpoint: https://pets.example.com/text, output: raw } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    c28gaXQgaXM=
    """

  Scenario: A request has headers, a query and a body
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - post:
          call: http
          with:
            method: post
            endpoint: https://pets.example.com/echo/${ .room }?first=1
            headers: { X-Tag: '${ .tag }' }
            query: { page: 2, tag: [ a, b c ] }
            body: { name: '${ .name }' }
          output: { as: '{ method, target, body, tag, type }' }
    """
    And given the workflow input is:
    """yaml
    { room: 7, tag: 5, name: Rex }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    method: POST
    target: /echo/7?first=1&page=2&tag=a&tag=b+c
    body: '{"name":"Rex"}'
    tag: "5"
    type: application/json
    """

  Scenario: A form is sent as its content type says
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - post:
          call: http
          with:
            method: put
            endpoint: https://pets.example.com/echo
            headers: { content-type: application/x-www-form-urlencoded }
            body: { age: 3, name: Rex and Max }
          output: { as: .body }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    age=3&name=Rex+and+Max
    """

  Scenario: A redirect is an error unless it is followed
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - followed: { call: http, with: { method: get, endpoint: https://pets.example.com/pets/moved, redirect: true } }
      - refused: { call: http, with: { method: get, endpoint: https://pets.example.com/pets/moved } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/communication
    status: 302
    instance: /do/1/refused
    """
    And followed should complete with output:
    """yaml
    { id: 1, name: milou, status: available }
    """

  Scenario: An error that a server answers with is caught by its status
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - tryGetPet:
          try:
            - getPet: { call: http, with: { method: get, endpoint: 'https://pets.example.com/pets/{petName}' } }
          catch:
            errors: { with: { type: https://open-workflow-specification.org/dsl/errors/types/communication, status: 404 } }
            as: err
            do: [ { setError: { set: { error: '${ $err }' } } } ]
    """
    And given the workflow input is:
    """yaml
    petName: Milou
    """
    When the workflow is executed
    Then the workflow should complete
    And the workflow output should have properties 'error', 'error.type', 'error.status', 'error.title'
    And the workflow output should have a 'error.instance' property with value:
    """yaml
    /do/0/tryGetPet/try/0/getPet
    """

  Scenario: A host that is not there
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - get: { call: http, with: { method: get, endpoint: http://127.0.0.1:1/ } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/communication
    status: 503
    instance: /do/0/get
    """

  Scenario: A call is tried again until it works
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          try:
            - get: { call: http, with: { method: get, endpoint: https://pets.example.com/flaky } }
          catch:
            errors: { with: { status: 503 } }
            retry: { delay: { milliseconds: 1 }, backoff: { exponential: {} }, limit: { attempt: { count: 5 } } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    tries: 3
    """
