Feature: Requests and answers

  Scenario: An endpoint, headers and a query that are expressions as a whole
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - call:
          call: http
          with: { method: get, endpoint: '${ .url }', headers: '${ { "X-Tag": .tag } }', query: '${ .query }' }
          output: { as: '{ target, tag }' }
    """
    And given the workflow input is:
    """yaml
    { url: 'https://pets.example.com/echo', tag: t, query: { a: 1, b: [ x, y ], c: null } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { target: '/echo?a=1&b=x&b=y', tag: t }
    """

  Scenario: A text goes as it is with a type that is not JSON
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - call:
          call: http
          with: { method: post, endpoint: 'https://pets.example.com/echo', headers: { Content-Type: text/plain }, body: 'Hello ${ .name }' }
          output: { as: '{ body, type }' }
    """
    And given the workflow input is:
    """yaml
    name: Ada
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { body: Hello Ada, type: text/plain }
    """

  Scenario: A list, a text and a number are JSON where no type is given
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - call:
          call: http
          with: { method: post, endpoint: 'https://pets.example.com/echo', body: '${ .body }' }
          output: { as: '{ body, type }' }
    """
    And given the workflow input is:
    """yaml
    body: [ a, 1, null ]
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { body: '["a",1,null]', type: application/json }
    """

  Scenario: The name of a method has any case, and parts of an address are encoded
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - call:
          call: http
          with: { method: PATCH, endpoint: 'https://pets.example.com/echo/{name}' }
          output: { as: '{ method, target }' }
    """
    And given the workflow input is:
    """yaml
    name: a b/c
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { method: PATCH, target: /echo/a%20b%2Fc }
    """

  Scenario: A field of an address that is not there is nothing, as RFC 6570 has it
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - call:
          call: http
          with: { method: get, endpoint: 'https://pets.example.com/echo/{name}' }
          output: { as: '.target' }
    """
    And given the workflow input is:
    """yaml
    { other: 1 }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    /echo/
    """

  Scenario: An answer that is no success is an error with its status
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - call:
          call: http
          with: { method: get, endpoint: 'https://pets.example.com/nowhere' }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/communication
    status: 404
    instance: /do/0/call
    """

  Scenario: Text is text, and the whole answer has its headers in small letters
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - call:
          call: http
          with: { method: get, endpoint: 'https://pets.example.com/text', output: response }
          output: { as: '{ statusCode, type: .headers["content-type"], content }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { statusCode: 200, type: text/plain, content: so it is }
    """

  Scenario: A redirect that is followed gives the address that answered
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - call:
          call: http
          with: { method: get, endpoint: 'https://pets.example.com/pets/moved', redirect: true, output: response }
          output: { as: '{ statusCode, id: .content.id }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { statusCode: 200, id: 1 }
    """

  Scenario: An address without a host is an error of the document's data
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - call:
          call: http
          with: { method: get, endpoint: '${ .url }' }
    """
    And given the workflow input is:
    """yaml
    url: no address
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/configuration
    status: 400
    instance: /do/0/call
    """
