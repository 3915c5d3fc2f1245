package model

import "strings"

// UserName is how a person is named, in one of the forms in which people type names:
//
//	jdoe                      a login name
//	john.doe@north.example    a login name, or a principal name
//	NORTH\jdoe, NORTH/jdoe    a domain by one of its names, and in it a login name or a principal name
type UserName struct {
	InDomain bool   // a domain stands in front, perhaps one without a name
	Domain   string // its name, NetBIOS name or DNS name
	Name     string
}

// domainEnds are what may stand between a domain and a name, and in neither.
const domainEnds = `\/`

// ParseUserName takes a name apart.
func ParseUserName(name string) UserName {
	if at := strings.IndexAny(name, domainEnds); at >= 0 {
		return UserName{true, name[:at], name[at+1:]}
	}
	return UserName{Name: name}
}

// MayBePrincipal says whether the name may be a principal name.
func (n UserName) MayBePrincipal() bool { return n.InDomain || strings.Contains(n.Name, "@") }

// IsBareName says of a name that it can be a login name and nothing else.
func IsBareName(name string) bool { return !strings.ContainsAny(name, domainEnds+"@") }

// NoDomainEnds says why a text cannot be the name of a user or a domain; "" if it can.
func NoDomainEnds(name string) (reason string) {
	if strings.ContainsAny(name, domainEnds) {
		return `must not have \ or /, which stand between a domain and a name`
	}
	return ""
}
