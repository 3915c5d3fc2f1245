package wire

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Strict says why, and at which byte, a text does not begin with a JSON value in UTF-8; nil if it does. The error does not quote
// the text. Duplicate names are allowed.
func Strict(text []byte) error {
	err := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true)).SkipValue()
	var at *jsontext.SyntacticError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &at):
		return fmt.Errorf("it is not valid JSON in UTF-8, byte %d", at.ByteOffset+1)
	}
	return errors.New("it is not valid JSON: it ends too early")
}
