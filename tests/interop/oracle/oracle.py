"""Answers questions by running Nova's own code: one JSON document per line in, one per line out, in order.

A question names a handler with "ask"; the answer is {"ok": value}, or {"raised": {"class", "text"}} for an exception.
Nothing here knows what the right answer is. The first argument, if any, is the nova.conf to use.
"""

import json
import os
import sys

import start


def main():
    # Whatever Nova prints must not stand between the answers.
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    start.nova(*sys.argv[1:])
    handlers = start.handlers()
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = {'ok': handlers[question.pop('ask')](**question)}
        except Exception as error:
            answer = {'raised': {'class': type(error).__name__, 'text': str(error)}}
        answers.write(json.dumps(answer))
        answers.write('\n')
        answers.flush()


if __name__ == '__main__':
    main()
