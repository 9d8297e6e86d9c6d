// goloop QUEUE MARK...: round-robin over marks, like textbook.c, in Go with its standard library alone.
//
// Each packet takes one Recvfrom, one callback and one verdict (NF_REPEAT with the mark). Unlike the bindings
// for Go it does not decode all attributes of a packet, so it costs less than a selector made with one of them.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// Values from <linux/netfilter.h>, <linux/netfilter/nfnetlink.h> and <linux/netfilter/nfnetlink_queue.h>.
const (
	messagePacket  = 3<<8 | 0
	messageVerdict = 3<<8 | 1
	messageConfig  = 3<<8 | 2

	packetHeader  = 1
	verdictHeader = 2
	mark          = 3
	configCommand = 1
	configParams  = 2

	bind       = 1
	copyPacket = 2
	repeat     = 4

	nfgenmsgLength = 4
	bufferLength   = 65536 + 512
)

type queue struct {
	fd     int
	number uint16
	out    []byte
}

func native32(buffer []byte) *uint32 { return (*uint32)(unsafe.Pointer(&buffer[0])) }
func native16(buffer []byte) *uint16 { return (*uint16)(unsafe.Pointer(&buffer[0])) }

// begin starts a message with a netlink header, in the machine's byte order, and an nfgenmsg.
func (q *queue) begin(kind uint16) {
	q.out = append(q.out[:0], make([]byte, syscall.NLMSG_HDRLEN+nfgenmsgLength)...)
	*native16(q.out[4:]) = kind
	*native16(q.out[6:]) = syscall.NLM_F_REQUEST
	binary.BigEndian.PutUint16(q.out[syscall.NLMSG_HDRLEN+2:], q.number)
}

// put adds an attribute; its length does not count the padding to a multiple of 4.
func (q *queue) put(kind uint16, value ...byte) {
	at := len(q.out)
	q.out = append(q.out, 0, 0, 0, 0)
	*native16(q.out[at:]) = uint16(syscall.NLA_HDRLEN + len(value))
	*native16(q.out[at+2:]) = kind
	q.out = append(q.out, value...)
	for len(q.out)%4 != 0 {
		q.out = append(q.out, 0)
	}
}

func (q *queue) send() error {
	*native32(q.out) = uint32(len(q.out))
	return syscall.Sendto(q.fd, q.out, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK})
}

func (q *queue) verdict(id, value uint32) error {
	var header [8]byte
	var number [4]byte
	binary.BigEndian.PutUint32(header[:], repeat)
	binary.BigEndian.PutUint32(header[4:], id)
	binary.BigEndian.PutUint32(number[:], value)
	q.begin(messageVerdict)
	q.put(verdictHeader, header[:]...)
	q.put(mark, number[:]...)
	return q.send()
}

func open(number uint16) (*queue, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("bind: %w", err)
	}
	q := &queue{fd: fd, number: number, out: make([]byte, 0, 256)}
	q.begin(messageConfig)
	q.put(configCommand, bind, 0, 0, syscall.AF_UNSPEC)
	q.put(configParams, 0, 0, 0xff, 0xff, copyPacket)
	return q, q.send()
}

// identity returns the packet's number, from the first packet header among the attributes.
func identity(attributes []byte) (uint32, bool) {
	for len(attributes) >= syscall.NLA_HDRLEN {
		length := int(*native16(attributes))
		if length < syscall.NLA_HDRLEN || length > len(attributes) {
			break
		}
		if *native16(attributes[2:]) == packetHeader && length >= syscall.NLA_HDRLEN+4 {
			return binary.BigEndian.Uint32(attributes[syscall.NLA_HDRLEN:]), true
		}
		next := (length + 3) &^ 3
		if next > len(attributes) {
			break
		}
		attributes = attributes[next:]
	}
	return 0, false
}

// run passes the number of each packet to choose and answers with the mark that choose returns.
func (q *queue) run(choose func(id uint32) uint32) error {
	in := make([]byte, bufferLength)
	for {
		length, _, err := syscall.Recvfrom(q.fd, in, 0)
		if err == syscall.ENOBUFS || err == syscall.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("recvfrom: %w", err)
		}
		if length < syscall.NLMSG_HDRLEN+nfgenmsgLength || *native16(in[4:]) != messagePacket {
			continue
		}
		id, ok := identity(in[syscall.NLMSG_HDRLEN+nfgenmsgLength : length])
		if !ok {
			continue
		}
		if err := q.verdict(id, choose(id)); err != nil {
			return fmt.Errorf("verdict: %w", err)
		}
	}
}

func numbers(words []string) (values []uint32) {
	for _, word := range words {
		value, err := strconv.ParseUint(word, 0, 32)
		if err != nil {
			return nil
		}
		values = append(values, uint32(value))
	}
	return values
}

func main() {
	arguments := numbers(os.Args[1:])
	if len(arguments) < 2 {
		fmt.Fprintln(os.Stderr, "usage: goloop QUEUE MARK...")
		os.Exit(2)
	}
	marks, turn := arguments[1:], 0
	q, err := open(uint16(arguments[0]))
	if err == nil {
		fmt.Println("ready")
		err = q.run(func(uint32) uint32 {
			turn = (turn + 1) % len(marks)
			return marks[turn]
		})
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
