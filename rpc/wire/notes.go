package wire

import (
	"fmt"
)

// maxNotes bounds the notes of a reply; the rest is counted.
const maxNotes = 100

// Notes collect what a file says and was not used, each sentence once.
type Notes struct {
	index map[string]int
	said  []noteOf
	more  int
}

type noteOf struct {
	text   string
	serial string // of the first token it is said of; "" = of the file
	others int    // tokens it is said of besides
}

// Add notes a sentence on the token of a serial.
func (n *Notes) Add(text, serial string) {
	if i, ok := n.index[text]; ok {
		n.said[i].others++
		return
	}
	if len(n.said) == maxNotes {
		n.more++
		return
	}
	if n.index == nil {
		n.index = map[string]int{}
	}
	n.index[text] = len(n.said)
	n.said = append(n.said, noteOf{text: text, serial: serial})
}

// File adds the notes on the file as a whole.
func (n *Notes) File(texts []string) {
	for _, t := range texts {
		n.Add(t, "")
	}
}

// List returns the notes as sentences; nil when there are none.
func (n *Notes) List() []string {
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
