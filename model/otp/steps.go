package otp

import (
	"encoding/binary"
)

// Steps is a list of steps in ascending order, 8 bytes each. It is a string so that a State can be compared and copied.
type Steps string

const stepBytes = 8

// StepsOf returns a list of the given steps.
func StepsOf(steps ...int64) (s Steps) {
	for _, step := range steps {
		s = s.With(step)
	}
	return s
}

// Len returns the number of steps.
func (s Steps) Len() int { return len(s) / stepBytes }

// At returns the step with index i.
func (s Steps) At(i int) int64 {
	return int64(binary.BigEndian.Uint64([]byte(s[i*stepBytes : (i+1)*stepBytes])))
}

// Has returns whether a step is in the list.
func (s Steps) Has(step int64) bool {
	for i := range s.Len() {
		if s.At(i) == step {
			return true
		}
	}
	return false
}

// With returns the list with a step added.
func (s Steps) With(step int64) Steps {
	if s.Has(step) {
		return s
	}
	at := s.Len()
	for at > 0 && s.At(at-1) > step {
		at--
	}
	one := binary.BigEndian.AppendUint64(nil, uint64(step))
	return s[:at*stepBytes] + Steps(one) + s[at*stepBytes:]
}

// Keep returns the steps for which fits returns true.
func (s Steps) Keep(fits func(step int64) bool) Steps {
	left := make([]byte, 0, len(s))
	for i := range s.Len() {
		if fits(s.At(i)) {
			left = append(left, s[i*stepBytes:(i+1)*stepBytes]...)
		}
	}
	return Steps(left)
}
