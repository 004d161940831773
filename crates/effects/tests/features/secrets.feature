Feature: Secrets and authentication
  What a document authenticates with is hidden where an answer repeats it.

  Scenario: Basic, in place
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - login:
          call: http
          with: { method: get, endpoint: { uri: https://pets.example.com/secured, authentication: { basic: { username: '${ .user }', password: word } } } }
          output: { as: .authorization }
    """
    And given the workflow input is:
    """yaml
    user: me
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    Basic ***
    """

  Scenario: Bearer, by its name
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    use: { authentications: { store: { bearer: { token: '${ .token }' } } } }
    do:
      - login:
          call: http
          with: { method: get, endpoint: { uri: https://pets.example.com/secured, authentication: { use: store } } }
          output: { as: .authorization }
    """
    And given the workflow input is:
    """yaml
    token: abc.def
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    Bearer ***
    """

  Scenario: A secret that a scheme uses is hidden in what is output
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    use:
      secrets: [ petStore ]
      authentications: { store: { basic: { use: petStore } } }
    do:
      - login:
          call: http
          with: { method: get, endpoint: { uri: https://pets.example.com/secured, authentication: { use: store } } }
          output: { as: '{ scheme: $authorization.scheme, hidden: (.authorization | contains("cGFzcyB3b3Jk") | not) }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { scheme: Basic, hidden: true }
    """

  Scenario: OAuth2, for a token of a client
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - login:
          call: http
          with: { method: get, endpoint: { uri: https://pets.example.com/secured, authentication: { oauth2: { authority: https://auth.example.com, grant: client_credentials, client: { id: '${ .id }', secret: secret-1 }, scopes: [ api ] } } } }
          output: { as: .authorization }
    """
    And given the workflow input is:
    """yaml
    id: me
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    Bearer token-of-me
    """

  Scenario: OpenID Connect, by discovery
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - login:
          call: http
          with: { method: get, endpoint: { uri: https://pets.example.com/secured, authentication: { oidc: { authority: https://auth.example.com/.well-known/openid-configuration, grant: client_credentials, client: { id: other, secret: secret-1 } } } } }
          output: { as: .authorization }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    Bearer token-of-other
    """

  Scenario: A secret that is not there
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    use: { secrets: [ nothing ] }
    do:
      - read: { set: { key: '${ $secrets.nothing }' } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/authorization
    status: 403
    instance: /do/0/read
    """

  Scenario: A secret in a header, and not in an output
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    use: { secrets: [ apiKey ] }
    do:
      - call:
          call: http
          with: { method: get, endpoint: https://pets.example.com/echo, headers: { X-Tag: '${ $secrets.apiKey }' } }
          output: { as: .tag }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    '***'
    """
