Feature: Text with expressions in it
  What stands in `${ }` is replaced, wherever it stands in a text, and nothing else is.

  Scenario: A text has several expressions, and braces of its own
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: text, version: '1.0.0' }
    do:
      - write:
          set:
            two: '${ .first } ${ .last }'
            object: 'is ${ { name: .first, nested: { braces: "}" } } }.'
            none: '<${ .missing }>'
            plain: 'costs 5 $${ or {so}'
            value: '${ { a: { b: [ 1 ] } } }'
            from_input: ${ .code }
    """
    And given the workflow input is:
    """yaml
    { first: Ada, last: Lovelace, code: '${ .first }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    two: Ada Lovelace
    object: is {"name":"Ada","nested":{"braces":"}"}}.
    none: <>
    plain: 'costs 5 ${ or {so}'
    value: { a: { b: [ 1 ] } }
    from_input: '${ .first }'
    """

  Scenario: With the mode loose, what is no expression or fails is text
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: loose, version: '1.0.0' }
    evaluate: { mode: loose }
    do:
      - write:
          set: { name: .name, words: so it is, fails: '.name + 1', both: '${ .name }, ${ 1 + 1 }' }
    """
    And given the workflow input is:
    """yaml
    name: Ada
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    { name: Ada, words: so it is, fails: '.name + 1', both: 'Ada, 2' }
    """
