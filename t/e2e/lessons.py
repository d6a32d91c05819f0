"""Mail to learn from: two kinds whose words tell them apart."""
import os
import random

WORDS = "offer click money meeting agenda report urgent reply minutes budget winner prize lottery invoice draft".split()


def message(kind, number):
    """Half of the words are of the kind."""
    r = random.Random("%s%d" % (kind, number))
    body = " ".join("%s%s%d" % (kind, r.choice(WORDS), r.randrange(40)) + " " + r.choice(WORDS) for _ in range(120))
    return ("From: a%d@%s.example\nTo: b@example.org\nSubject: %s\nDate: Tue, 1 Oct 2002 10:%02d:00 +0000\n"
            "Message-Id: <%d@%s.example>\n\n%s\n" % (number, kind, kind, number % 60, number, kind, body)).encode()


def write(directory, kind, count):
    paths = []
    for number in range(count):
        paths.append(os.path.join(directory, "%s%d" % (kind, number)))
        with open(paths[-1], "wb") as f:
            f.write(message(kind, number))
    return paths
