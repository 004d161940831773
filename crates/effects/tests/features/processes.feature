Feature: Processes

  Scenario: A shell command has arguments, an environment and its input
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - run:
          input: { from: .message }
          run:
            shell:
              command: |
                input=$(cat)
                echo "$LANG_OF: $input, $1 $2"
              stdin: ${ . }
              arguments: [ Foo, '${ . }' ]
              environment: { LANG_OF: en }
    """
    And given the workflow input is:
    """yaml
    message: Hello
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    "en: Hello, Foo Hello\n"
    """

  Scenario: Each form of what is returned
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - all: { run: { shell: { command: 'echo out; echo err >&2; exit 3' }, return: all }, export: { as: '{ all: . }' } }
      - code: { run: { shell: { command: exit 4 }, return: code }, export: { as: '$context + { code: . }' } }
      - stderr: { run: { shell: { command: 'echo err >&2' }, return: stderr }, export: { as: '$context + { stderr: . }' } }
      - none: { run: { shell: { command: echo out }, return: none }, export: { as: '$context + { none: . }' } }
      - last: { set: '${ $context }' }
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    all: { code: 3, stdout: "out\n", stderr: "err\n" }
    code: 4
    stderr: "err\n"
    none: null
    """

  Scenario: A process that fails
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - fail: { run: { shell: { command: exit 3 } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/runtime
    status: 500
    instance: /do/0/fail
    """

  Scenario: What is not waited for gives the input
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - start: { run: { shell: { command: 'true' }, await: false } }
    """
    And given the workflow input is:
    """yaml
    a: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    a: 1
    """

  Scenario: A script in JavaScript
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - run:
          run:
            script:
              language: js
              arguments: [ hello, world ]
              code: |
                const [_, __, arg0, arg1] = process.argv;
                console.log(`${arg0} ${arg1}`)
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    "hello world\n"
    """

  Scenario: A script in Python
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - run:
          run:
            script:
              language: python
              stdin: ${ .name }
              code: |
                import sys
                print('hello ' + sys.stdin.read(), end='')
    """
    And given the workflow input is:
    """yaml
    name: Ada
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    hello Ada
    """

  Scenario: Another workflow
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - first: { run: { workflow: { namespace: other, name: inner, version: '1.0.0', input: { n: '${ .n }' } } } }
      - second: { run: { workflow: { namespace: other, name: inner, version: latest, input: '${ { n: .sum } }' } } }
    """
    And given the workflow input is:
    """yaml
    n: 3
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    sum: 5
    """

  Scenario: Another workflow refuses its input, and its error is caught
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - attempt:
          try:
            - inner: { run: { workflow: { namespace: other, name: inner, version: '1.0.0', input: { n: -1 } } } }
          catch:
            errors: { with: { type: https://example.com/errors/negative } }
            do: [ { note: { set: { status: '${ $error.status }' } } } ]
      - refused: { run: { workflow: { namespace: other, name: inner, version: '1.0.0', input: [ 1 ] } } }
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    """
    And attempt should complete with output:
    """yaml
    status: 400
    """

  Scenario: What looks like an expression to us may be the shell's own
    Given a workflow with definition:
    """yaml
    document: { dsl: '1.0.3', namespace: default, name: case, version: '1.0.0' }
    do:
      - run:
          run:
            shell:
              command: 'echo "${NAME}, ${1:-none} and ${ .name }, ${MISSING:-none}"'
              arguments: [ one ]
              environment: { NAME: Bob }
    """
    And given the workflow input is:
    """yaml
    name: Ada
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    "Bob, one and Ada, none\n"
    """
