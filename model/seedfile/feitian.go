package seedfile

import (
	"fmt"
	"strings"

	"tokensmith/model"
)

// Feitian's text file has lines with a serial number and a seed, separated by white space. The seed is in hex or base32, as in
// OATH CSV. Lines that start with # are comments. The first line may be a header.

func readFeitian(src *source, f *File, opts Options) error {
	return readRows(src, f, opts, rowDialect{rows: func(src *source) rowReader {
		return &fieldReader{src: src, comments: ignores(opts.Ignore, "#")}
	}})
}

// fieldReader returns the lines of a file as fields separated by white space.
type fieldReader struct {
	src      *source
	line     int
	comments bool // as in csvReader
}

func (r *fieldReader) next() ([]string, int, error) {
	for {
		line, err := r.src.line()
		if err != nil {
			return nil, r.line, lineFault(r.line+1, err)
		}
		r.line++
		fields := strings.Fields(string(line))
		switch {
		case len(fields) == 2 && fields[0][0] == '#' && !r.comments && isSeed(fields[1]):
			return nil, r.line, &badRow{r.line, "the line begins with # like a comment, but looks like a row: remove the # or the line, or " +
				"ignore such lines with attrs.ignore or --ignore \"#\""}
		case len(fields) == 0 || fields[0][0] == '#':
			continue
		case len(fields) > 2 && r.line > 1:
			return nil, r.line, &badRow{r.line, fmt.Sprintf("the line has %d fields, not a serial and a seed", len(fields))}
		}
		return fields, r.line, nil
	}
}

func isFeitian(line string) bool {
	fields := strings.Fields(line)
	if len(fields) != 2 || model.Characters(fields[0]) > model.MaxSerial {
		return false
	}
	if _, _, _, ok := oathHeader(fields); ok {
		return true
	}
	for _, e := range []Encoding{Hex, Base32} {
		if seed, ok := e.decode(fields[1]); ok && len(seed) >= 10 {
			return true
		}
	}
	return false
}
