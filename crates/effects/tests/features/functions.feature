Feature: Functions

  Scenario: A function of the document
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    use: { functions: { double: { set: { n: '${ .n * 2 }' } } } }
    do:
      - given: { call: double, with: { n: '${ .start }' } }
      - passed: { call: double }
    """
    And given the workflow input is:
    """yaml
    start: 3
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 12
    """
    And given should complete with output:
    """yaml
    n: 6
    """

  Scenario: A function of a catalog
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    use: { catalogs: { shared: { endpoint: { uri: https://pets.example.com } } } }
    do:
      - greet: { call: 'greet:1.0.0@shared', with: { name: Ada } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    text: Hi Ada
    """

  Scenario: A function at an address, whose input has a schema
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - greet: { call: https://pets.example.com/functions/greet/1.0.0/function.yaml, with: { nom: Ada } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    """

  Scenario: A schema at an address
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - check:
          input: { schema: { format: json, resource: { endpoint: https://pets.example.com/schema.json } } }
          set: { id: '${ .id }' }
    """
    And given the workflow input is:
    """yaml
    name: x
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    instance: /do/0/check
    """
