Feature: Steps
  Each form of step that the conformance kit knows, where its own features do not use it.

  Scenario: A race is won by the first to complete
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: race, version: '1.0.0' }
    do:
      - race:
          fork:
            compete: true
            branches:
              - slow: { wait: { seconds: 2 } }
              - quick:
                  do:
                    - nap: { wait: { seconds: 1 } }
                    - win: { set: { winner: { name: quick } } }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    winner: { name: quick }
    """
    And the workflow output should have properties 'winner', 'winner.name'
    And the workflow output should have a 'winner.name' property with value:
    """yaml
    quick
    """
    And race should run first
    And nap should run before win
    And win should run after nap
    And slow should cancel
    And quick should complete
    And win should complete with output:
    """yaml
    winner: { name: quick }
    """

  Scenario: An error that is not caught
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: fault, version: '1.0.0' }
    do:
      - outer:
          do:
            - broken: { set: { is: '${ .name | keys }' } }
    """
    And given the workflow input is:
    """yaml
    name: 1
    """
    When the workflow is executed
    Then the workflow should fault
    And broken should fault
    And broken should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/expression
    status: 400
    instance: /do/0/outer/do/0/broken
    """
