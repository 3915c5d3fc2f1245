package seedfile

// UserTable is a user import file: what its header names, and its rows.
type UserTable struct {
	Columns []string // in their usual spelling and the order of the file; "" for one to be ignored
	Rows    []UserRow
	Bad     Bad
}

// UserRow is one row of a user import file.
type UserRow struct {
	Line   int    // 1-based
	Values Fields // one for each of the table's columns, exactly as written
}

// Fields are the values of a row. A password may be among them, so that they print as Secret does.
type Fields []string

func (Fields) String() string { return "[secret]" }

func (Fields) GoString() string { return "[secret]" }

func (Fields) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

func (Fields) MarshalJSON() ([]byte, error) { return []byte(`"[secret]"`), nil }

// ReadUsers reads a CSV file with a header. known gives the usual spelling of a column, "" when there is none; one that is not known
// and not one of ignore is refused by name (FileUnreadable), as are a column without a name and two for one thing. Rows with more or
// fewer fields than the header are listed in Bad. More than maxRows rows, when maxRows is not 0, are TooLarge.
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
