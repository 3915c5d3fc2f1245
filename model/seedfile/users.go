package seedfile

// UserTable is a user import file: the columns of its header, and its rows.
type UserTable struct {
	Columns []string // usual names, in the order of the file; "" for an ignored column
	Rows    []UserRow
	Bad     Bad
}

// UserRow is one row of a user import file.
type UserRow struct {
	Line   int    // line in the file, starting at 1
	Values Fields // one for each column of the table, exactly as written
}

// Fields are the values of a row. One of them may be a password, so they are printed like a Secret.
type Fields []string

func (Fields) String() string { return "[secret]" }

func (Fields) GoString() string { return "[secret]" }

func (Fields) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

func (Fields) MarshalJSON() ([]byte, error) { return []byte(`"[secret]"`), nil }

// ReadUsers reads a CSV file with a header. known returns the usual name of a column; "" if it is unknown. An unknown column that
// is not in ignore, a column without a name, and two columns with the same meaning are refused and named in the error
// (FileUnreadable). Rows with more or fewer fields than the header are listed in Bad. More than maxRows rows are TooLarge, unless
// maxRows is 0.
func ReadUsers(text string, maxRows int, known func(column string) string, ignore ...string) (*UserTable, error) {
	t := &UserTable{}
	bad, err := readTable(text, maxRows, func(header []string, line int) error {
		t.Columns = header
		return nil
	}, known, ignore, "", func(row []string, line int) (serial, reason string) {
		t.Rows = append(t.Rows, UserRow{line, append(Fields(nil), row...)})
		return "", ""
	})
	if err != nil {
		return nil, err
	}
	t.Bad = bad
	return t, nil
}
