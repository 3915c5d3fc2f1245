package rpc

// method is one row of the table of methods.
type method struct {
	path    string // "token/create"; also its permission
	target  string // gorilla's name of the Go method: "Token.Create"
	large   bool   // takes a large body (a file, a batch)
	reveals bool   // answers with a secret: only its exact name or a lone "*" permits it
	hands   bool   // may answer with a secret that it makes itself: each repeat of the answer is recorded
	device  bool   // called by a device, which proves itself by what it sends, and not by an agent
	stream  bool   // answers with events instead of an envelope; it has no Go method of gorilla's
	counts  bool   // refuses credentials, which counts: it cannot be undone
	// either names further permissions of which any one opens the method; the method itself then decides which of
	// its uses needs which.
	either []string
	about  string // what it does, one line
}

// methods is THE table: path, Go method, permission, size. The API is this list.
var methods = []method{
	{path: "domain/create", target: "Domain.Create", about: "Makes a domain."},
	{path: "domain/get", target: "Domain.Get", about: "Reads one domain."},
	{path: "domain/set", target: "Domain.Set", about: "Changes a domain."},
	{path: "domain/delete", target: "Domain.Delete", about: "Deletes a domain without users and installation codes."},
	{path: "domain/search", target: "Domain.Search", about: "Finds domains."},
	{path: "domain/estimateGuessing", target: "Domain.EstimateGuessing", about: "Computes what guessing OTPs for a year may reach, by the settings in force."},

	{path: "user/create", target: "User.Create", about: "Makes a user in a domain."},
	{path: "user/get", target: "User.Get", about: "Reads one user."},
	{path: "user/set", target: "User.Set", about: "Changes a user."},
	{path: "user/delete", target: "User.Delete", about: "Deletes a user without tokens, devices and installation codes."},
	{path: "user/search", target: "User.Search", about: "Finds users."},
	{path: "user/unlock", target: "User.Unlock", about: "Unlocks a user, at the console as well, and forgets refused credentials."},
	{path: "user/resetPassword", target: "User.ResetPassword", reveals: true, about: "Sets a new password, or makes a random one and answers it; it must then be changed."},
	{path: "user/import", target: "User.Import", large: true, about: "Creates or updates the users of a CSV file, all or nothing."},

	{path: "product/create", target: "Product.Create", about: "Makes a product: how a kind of token makes and checks OTPs."},
	{path: "product/get", target: "Product.Get", about: "Reads one product."},
	{path: "product/set", target: "Product.Set", about: "Changes a product; what its tokens' OTPs depend on only while it has none."},
	{path: "product/delete", target: "Product.Delete", about: "Deletes a product without tokens."},
	{path: "product/search", target: "Product.Search", about: "Finds products."},

	{path: "repository/create", target: "Repository.Create", about: "Makes a repository of tokens."},
	{path: "repository/get", target: "Repository.Get", about: "Reads one repository."},
	{path: "repository/set", target: "Repository.Set", about: "Changes a repository."},
	{path: "repository/delete", target: "Repository.Delete", about: "Deletes an empty repository."},
	{path: "repository/search", target: "Repository.Search", about: "Finds repositories."},

	{path: "token/create", target: "Token.Create", large: true, either: []string{"token/import"}, about: "Makes a token and, with `user`, assigns it; with `data` it is token/import."},
	{path: "token/get", target: "Token.Get", about: "Reads one token."},
	{path: "token/set", target: "Token.Set", about: "Changes a token."},
	{path: "token/delete", target: "Token.Delete", about: "Deletes a token; with `user` only takes it from that user."},
	{path: "token/search", target: "Token.Search", about: "Finds tokens."},
	{path: "token/reset", target: "Token.Reset", about: "Clears drift, failures, a pending resynchronisation, and the mark of a time-based token if that lies in the future; sets the counter when given."},
	{path: "token/confine", target: "Token.Confine", about: "Forbids further downloads of a soft token."},
	{path: "token/release", target: "Token.Release", about: "Allows downloads again."},
	{path: "token/getDownloadUrl", target: "Token.GetDownloadURL", reveals: true, about: "Makes a one-time provisioning link of a soft token; a newer one ends it, and so does assigning the token. With `qrCode` answers the link's QR code as well, a PNG in base64."},
	{path: "token/retrieveCredential", target: "Token.RetrieveCredential", reveals: true, about: "Answers a soft token's otpauth:// URI and its seed in base32."},
	{path: "token/import", target: "Token.Import", large: true, about: "Imports a token file, all or nothing."},
	{path: "token/export", target: "Token.Export", reveals: true, about: "Writes tokens with their seeds as a PSKC file, encrypted with a password."},
	{path: "token/syncToken", target: "Token.SyncToken", counts: true, about: "Synchronises a token by two consecutive OTPs."},
	{path: "token/batchAssignTokens", target: "Token.BatchAssignTokens", large: true, about: "Assigns tokens to users by a CSV file, all or nothing."},

	{path: "tokenAssignment/create", target: "TokenAssignment.Create", about: "Assigns a token to a user."},
	{path: "tokenAssignment/get", target: "TokenAssignment.Get", about: "Reads one assignment."},
	{path: "tokenAssignment/set", target: "TokenAssignment.Set", about: "Changes an assignment."},
	{path: "tokenAssignment/delete", target: "TokenAssignment.Delete", about: "Takes a token from a user."},
	{path: "tokenAssignment/search", target: "TokenAssignment.Search", about: "Finds assignments."},
	{path: "tokenAssignment/activate", target: "TokenAssignment.Activate", counts: true, about: "Makes an assignment active by its activation code."},
	{path: "tokenAssignment/sendActivationCode", target: "TokenAssignment.SendActivationCode", about: "Sends the user a new activation code by SMTP or SMS."},
	{path: "tokenAssignment/sendDownloadUrl", target: "TokenAssignment.SendDownloadURL", about: "Sends the user a provisioning link by SMTP or SMS."},
	{path: "tokenAssignment/getTokenQRCode", target: "TokenAssignment.GetTokenQRCode", reveals: true, about: "Answers a soft token's QR code, a PNG in base64."},
	{path: "tokenAssignment/sort", target: "TokenAssignment.Sort", about: "Sets the order in which a user's tokens are tried."},

	{path: "auth/verify", target: "Auth.Verify", about: "Checks a login's OTP, with the PIN in front, or static password."},
	{path: "auth/logon", target: "Auth.Logon", about: "The same, for one-step logons."},
	{path: "auth/sendOTP", target: "Auth.SendOTP", about: "Sends a one-time passcode by e-mail or SMS, good once, for five minutes."},
	{path: "auth/syncToken", target: "Auth.SyncToken", about: "Synchronises a user's token by two consecutive OTPs."},
	{path: "auth/listTokens", target: "Auth.ListTokens", about: "Lists a user's tokens."},
	{path: "auth/listTokenAssignments", target: "Auth.ListTokenAssignments", about: "Lists a user's token assignments."},
	{path: "auth/listDomains", target: "Auth.ListDomains", about: "Lists the domains one may log in to."},
	{path: "auth/listApplications", target: "Auth.ListApplications", about: "Lists the applications one may log in to: this server."},
	{path: "auth/listAuthenticators", target: "Auth.ListAuthenticators", about: "Lists the kinds of credential."},
	{path: "auth/getLogonSteps", target: "Auth.GetLogonSteps", about: "Says how a user logs on."},
	{path: "auth/activateTokenAssignment", target: "Auth.ActivateTokenAssignment", about: "Makes an assignment active by its activation code; five wrong ones end it."},
	{path: "auth/logout", target: "Auth.Logout", about: "Ends a logon; there are no sessions."},
	{path: "auth/resetLogon", target: "Auth.ResetLogon", about: "Gives up a logon in steps; there are no sessions."},

	{path: "device/create", target: "Device.Create", hands: true, about: "Makes a device and answers its client token."},
	{path: "device/get", target: "Device.Get", about: "Reads one device."},
	{path: "device/set", target: "Device.Set", about: "Changes a device."},
	{path: "device/delete", target: "Device.Delete", about: "Deletes a device: its client token ends and its seat is free."},
	{path: "device/search", target: "Device.Search", about: "Finds devices."},
	{path: "device/createMany", target: "Device.CreateMany", hands: true, about: "Makes up to 100,000 devices of a label, in the group of that name, all or nothing; with `csv` answers their client tokens."},
	{path: "device/revealToken", target: "Device.RevealToken", reveals: true, about: "Answers a device's client token again."},
	{path: "device/generateToken", target: "Device.GenerateToken", reveals: true, about: "Gives a device a new client token; the old one is logged out. `expect` is the hint of the one it shall replace."},
	{path: "device/revokeToken", target: "Device.RevokeToken", about: "Ends a device's client token without a new one."},
	{path: "device/connect", target: "Device.Connect", device: true, about: "Tells a device, by its `token`, who it is."},
	{path: "device/events", device: true, stream: true, about: "Streams `ping` and `loggedOut` to a device (server-sent events; `Authorization: Bearer` with its client token; GET or POST)."},

	{path: "installationCode/create", target: "InstallationCode.Create", hands: true, about: "Makes an installation code."},
	{path: "installationCode/get", target: "InstallationCode.Get", about: "Reads one installation code; `code` only by a permission of this exact name, or `*`."},
	{path: "installationCode/set", target: "InstallationCode.Set", about: "Changes an installation code; a new text ends the old one at once."},
	{path: "installationCode/delete", target: "InstallationCode.Delete", about: "Deletes an installation code; devices installed with it stay."},
	{path: "installationCode/search", target: "InstallationCode.Search", about: "Finds installation codes; `code` as in get."},
	{path: "installationCode/generateCode", target: "InstallationCode.GenerateCode", about: "Answers a random code for an editor; nothing is stored."},
	{path: "installationCode/getQRCode", target: "InstallationCode.GetQRCode", reveals: true, about: "Answers the QR code of a code that can still be used, a PNG in base64."},
	{path: "installationCode/send", target: "InstallationCode.Send", about: "Sends a code to its account, or its device's owner, by SMTP or SMS."},
	{path: "installationCode/listUses", target: "InstallationCode.ListUses", about: "Lists who used a code when."},
	{path: "installationCode/redeem", target: "InstallationCode.Redeem", device: true, about: "Lets a device in by a `code`; answers its client token. A `nonce` makes it repeatable."},
	{path: "installationCode/check", target: "InstallationCode.Check", device: true, about: "Tells whoever has a `code` what it is for and until when it can be used."},

	{path: "license/create", target: "License.Create", about: "Makes a license."},
	{path: "license/get", target: "License.Get", about: "Reads one license."},
	{path: "license/set", target: "License.Set", about: "Changes a license."},
	{path: "license/delete", target: "License.Delete", about: "Deletes a license that no device has."},
	{path: "license/search", target: "License.Search", about: "Finds licenses."},

	{path: "group/create", target: "Group.Create", about: "Makes a group of devices."},
	{path: "group/get", target: "Group.Get", about: "Reads one group."},
	{path: "group/set", target: "Group.Set", about: "Changes a group."},
	{path: "group/delete", target: "Group.Delete", about: "Deletes a group without groups in it; its devices stay."},
	{path: "group/search", target: "Group.Search", about: "Finds groups."},

	{path: executePath, target: "Batch.Execute", large: true, about: "Carries out up to 10,000 calls; `atomic` undoes all of them when one is refused."},

	{path: "template/get", target: "Template.Get", about: "Reads the text of a kind of message."},
	{path: "template/set", target: "Template.Set", about: "Changes it; an unknown parameter is refused."},
	{path: "template/search", target: "Template.Search", about: "Finds the texts of messages."},

	{path: "delivery/get", target: "Delivery.Get", about: "Reads one message's delivery."},
	{path: "delivery/search", target: "Delivery.Search", about: "Finds deliveries."},

	{path: "agent/create", target: "Agent.Create", hands: true, about: "Makes an API agent; answers its client secret, once."},
	{path: "agent/get", target: "Agent.Get", about: "Reads one agent."},
	{path: "agent/set", target: "Agent.Set", about: "Changes an agent."},
	{path: "agent/delete", target: "Agent.Delete", about: "Deletes an agent."},
	{path: "agent/search", target: "Agent.Search", about: "Finds agents."},
	{path: "agent/rotateSecret", target: "Agent.RotateSecret", hands: true, about: "Gives an agent a new client secret; the old one stays good for `overlap` seconds, 86400 if not given."},

	{path: "audit/get", target: "Audit.Get", about: "Reads one row of the record."},
	{path: "audit/search", target: "Audit.Search", about: "Finds rows of the record: who did what, and how it ended."},
	{path: "audit/verify", target: "Audit.Verify", about: "Checks that nobody bent the record, nor cut off its end since `expectHead` or what is kept beside the key file."},
}

// executePath is the method that carries out many.
const executePath = "batch/execute"

// tokenMethod stands for the request for an access token, which is RFC 6749's and no method of ours.
var tokenMethod = method{path: tokenPath}

// methodOf finds a method by its path; nil when there is none.
func methodOf(path string) *method { return methodsByPath[path] }

var methodsByPath = func() map[string]*method {
	byPath := make(map[string]*method, len(methods))
	for i := range methods {
		byPath[methods[i].path] = &methods[i]
	}
	return byPath
}()

// reveals says whether a method, named by its path, reveals a secret.
func reveals(path string) bool {
	m := methodOf(path)
	return m != nil && m.reveals
}

// MethodInfo describes a method to people.
type MethodInfo struct {
	Path    string // "token/create"
	About   string
	Reveals bool
	Device  bool // called by a device, without an agent

	Parameters []Parameter
	Example    string // parameters with which it may be called
}

// Methods lists all methods, in the table's order.
func Methods() []MethodInfo {
	list := make([]MethodInfo, len(methods))
	for i, m := range methods {
		list[i] = MethodInfo{m.path, m.about, m.reveals, m.device, m.parameters(), m.example()}
	}
	return list
}
