package model

import "strings"

// UserName is a name for a user in one of the forms that people type:
//
//	jdoe                      a login name
//	john.doe@north.example    a login name or a principal name
//	NORTH\jdoe, NORTH/jdoe    one of a domain's names, then a login name or principal name in that domain
type UserName struct {
	InDomain bool   // the name begins with a domain, which may be empty
	Domain   string // name, NetBIOS name or DNS name of the domain
	Name     string
}

// domainEnds are the characters that may separate a domain and a name. Neither may contain them.
const domainEnds = `\/`

// ParseUserName splits a name into its parts.
func ParseUserName(name string) UserName {
	if at := strings.IndexAny(name, domainEnds); at >= 0 {
		return UserName{true, name[:at], name[at+1:]}
	}
	return UserName{Name: name}
}

// MayBePrincipal returns whether the name may be a principal name.
func (n UserName) MayBePrincipal() bool { return n.InDomain || strings.Contains(n.Name, "@") }

// IsBareName returns whether a name can only be a login name.
func IsBareName(name string) bool { return !strings.ContainsAny(name, domainEnds+"@") }

// NoDomainEnds returns why a text cannot be the name of a user or a domain; "" if it can.
func NoDomainEnds(name string) (reason string) {
	if strings.ContainsAny(name, domainEnds) {
		return `must not have \ or /, which stand between a domain and a name`
	}
	return ""
}
