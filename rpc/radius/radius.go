// Package radius is the front for those who ask by RADIUS whether a login is right (RFC 2865): VPN gateways, switches, PAM. The
// decision is that of auth/logon (package login); this package reads packets, knows the clients, and writes replies.
//
// A request goes this way:
//
//	packet: bounded, well-formed ─ client by address or certificate ─ Message-Authenticator
//	  │                                    whatever fails until here is dropped without a reply, and counted
//	table of requests in work ─ a duplicate waits for the reply to the first
//	  │
//	one transaction: reply kept for this request? ─ State taken ─ login.Take ─ State and reply kept
//	  │
//	reply, with its Message-Authenticator as the first attribute (the attack of CVE-2024-3596 needs to put something before it)
//
// The reply is kept for 30 seconds, sealed, in the transaction that spends the OTP: whoever sends the request again, to whichever
// process, gets the same bytes.
package radius
