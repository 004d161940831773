Feature: Authorization
  What a task knows of how it is authorized.

  Scenario: A secret by its name, for a token
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    use: { secrets: [ token ], authentications: { store: { bearer: { use: token } } } }
    do:
      - login:
          call: http
          with: { method: get, endpoint: { uri: https://pets.example.com/secured, authentication: { use: store } } }
          output: { as: '{ scheme: $authorization.scheme, authorization }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { scheme: Bearer, authorization: Bearer *** }
    """

  Scenario: A secret by its name, for a client of OAuth2
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    use: { secrets: [ client ] }
    do:
      - login:
          call: http
          with: { method: get, endpoint: { uri: https://pets.example.com/secured, authentication: { oauth2: { use: client } } } }
          output: { as: '{ scheme: $authorization.scheme, got: .authorization }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { scheme: Bearer, got: Bearer token-of-*** }
    """

  Scenario: An answer of 401 to a digest that nobody offers
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - login:
          call: http
          with: { method: get, endpoint: { uri: https://pets.example.com/secured, authentication: { digest: { username: me, password: word } } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/authentication
    status: 401
    instance: /do/0/login
    """

  Scenario: A password for a token
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - login:
          call: http
          with: { method: get, endpoint: { uri: https://pets.example.com/secured, authentication: { oauth2: { authority: https://auth.example.com, grant: password, username: u, password: pass-word, client: { id: app, authentication: none } } } } }
          output: { as: .authorization }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    Bearer token-of-app
    """

  Scenario: An issuer that is not among those that count
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - login:
          call: http
          with: { method: get, endpoint: { uri: https://pets.example.com/secured, authentication: { oidc: { authority: https://auth.example.com, grant: client_credentials, issuers: [ https://other.example.com ], client: { id: a, secret: secret-1 } } } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/authentication
    status: 401
    instance: /do/0/login
    """

  Scenario: No authorization without an authentication
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - call: { call: http, with: { method: get, endpoint: https://pets.example.com/echo }, output: { as: '{ is: $authorization }' } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    is: null
    """
