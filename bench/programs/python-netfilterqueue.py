"""python-netfilterqueue.py QUEUE MARK...: round-robin over marks with Python NetfilterQueue, by the example of its README."""
import sys

from netfilterqueue import NetfilterQueue

number, *marks = [int(word, 0) for word in sys.argv[1:]]
turn = 0


def choose(packet):
    global turn
    packet.set_mark(marks[turn])
    turn = (turn + 1) % len(marks)
    packet.repeat()


queue = NetfilterQueue()
queue.bind(number, choose)
print("ready", flush=True)
queue.run()
