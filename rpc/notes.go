package rpc

import (
	"fmt"
)

// notesMost bounds the notes of a reply; the rest is counted.
const notesMost = 100

// notes collect what a file says and was not used, each sentence once.
type notes struct {
	index map[string]int
	said  []note
	more  int
}

type note struct {
	text   string
	serial string // of the first token it is said of; "" = of the file
	others int    // tokens it is said of besides
}

func (n *notes) add(text, serial string) {
	if i, ok := n.index[text]; ok {
		n.said[i].others++
		return
	}
	if len(n.said) == notesMost {
		n.more++
		return
	}
	if n.index == nil {
		n.index = map[string]int{}
	}
	n.index[text] = len(n.said)
	n.said = append(n.said, note{text: text, serial: serial})
}

// file adds the notes on the file as a whole.
func (n *notes) file(texts []string) {
	for _, t := range texts {
		n.add(t, "")
	}
}

// list gives the notes as sentences; nil when there are none.
func (n *notes) list() []string {
	var out []string
	for _, s := range n.said {
		switch {
		case s.serial == "":
			out = append(out, s.text)
		case s.others == 0:
			out = append(out, fmt.Sprintf("%s (token %s)", s.text, s.serial))
		default:
			out = append(out, fmt.Sprintf("%s (token %s and %d more)", s.text, s.serial, s.others))
		}
	}
	if n.more > 0 {
		out = append(out, fmt.Sprintf("and %d more", n.more))
	}
	return out
}
