Feature: Operations of OpenAPI documents

  Scenario: Parameters go where the document says
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - get:
          call: openapi
          with:
            document: { endpoint: https://pets.example.com/openapi.json }
            operationId: getPet
            parameters: { id: '${ .id }', fields: [ name, age ], X-Tag: t, sid: s }
          output: { as: '{ method, target, tag, cookie }' }
    """
    And given the workflow input is:
    """yaml
    id: 7
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { method: GET, target: '/api/pets/7?fields=name%2Cage', tag: t, cookie: sid=s }
    """

  Scenario: A body and an authentication
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - put:
          call: openapi
          with:
            document: { endpoint: { uri: https://pets.example.com/openapi.json } }
            operationId: putPet
            parameters: { id: 7, body: { name: Rex } }
            authentication: { bearer: { token: abcdefgh } }
            output: response
          output: { as: '{ status: .statusCode, method: .request.method, body: .content.body, authorized: .content.authorization }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { status: 200, method: put, body: '{"name":"Rex"}', authorized: Bearer *** }
    """

  Scenario: A document of Swagger 2
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - find:
          call: openapi
          with:
            document: { endpoint: https://pets.example.com/swagger.json }
            operationId: findPetsByStatus
            parameters: { status: [ available, sold ] }
          output: { as: .target }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    /echo/findByStatus?status=available&status=sold
    """

  Scenario: An operation that is not there
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - find:
          call: openapi
          with: { document: { endpoint: https://pets.example.com/swagger.json }, operationId: findNothing }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/configuration
    status: 400
    instance: /do/0/find
    """
