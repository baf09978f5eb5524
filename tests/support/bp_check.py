"""What would WS-I Basic Profile 1.1 and picky generators say of a WSDL? Answers with a list of complaints."""

import collections

from lxml import etree

WSDL = "http://schemas.xmlsoap.org/wsdl/"
XS = "http://www.w3.org/2001/XMLSchema"
SOAP = "http://schemas.xmlsoap.org/wsdl/soap/"
SOAP12 = "http://schemas.xmlsoap.org/wsdl/soap12/"
PREFIXES = {"w": WSDL, "x": XS, "s": SOAP, "t": SOAP12}
ORDER = ["documentation", "types", "message", "portType", "binding", "service"]
FORBIDDEN_IN_SCHEMA = {"choice", "any", "anyAttribute", "union", "attribute", "all", "extension", "import", "include",
                       "group", "list", "redefine"}


def complaints(document):
    """Every complaint about ``document`` (bytes); an empty list is a pass."""
    root = etree.fromstring(document)
    return [*structure(root), *messages(root), *operations(root), *bindings(root), *schema(root), *documented(root),
            *namespaces(root, document)]


def select(path, element):
    return element.xpath(path, namespaces=PREFIXES)


def local(qname):
    return qname.rpartition(":")[2]


def structure(root):
    kinds = [etree.QName(child).localname for child in root]
    ranks = [ORDER.index(kind) if kind in ORDER else -1 for kind in kinds]
    if -1 in ranks or ranks != sorted(ranks):
        yield f"top-level order is {list(dict.fromkeys(kinds))}"
    for kind in ("message", "portType", "binding", "service", "service/w:port"):
        names = collections.Counter(select(f"w:{kind}/@name", root))
        yield from (f"two {kind} named {name}" for name, count in names.items() if count > 1)
    if len(select("w:service", root)) != 1 or len(select("w:types/x:schema", root)) != 1:
        yield "there must be one service and one inline schema"
    names = select("w:portType/@name", root)
    yield from (f"portType {name} is named like an element" for name in names
                if name in select("w:types/x:schema/x:element/@name", root))


def messages(root):
    elements = set(select("w:types/x:schema/x:element/@name", root))
    used = set()
    for part in select("w:message/w:part", root):
        if part.get("type") or not part.get("element"):
            yield f"R2204: part {part.get('name')} has no element"
        elif local(part.get("element")) not in elements:
            yield f"part {part.get('name')} names an unknown element"
        used.add(local(part.get("element", "")))
    yield from (f"global element {name} is used by no message" for name in elements - used)


def operations(root):
    parts = {message.get("name"): select("w:part/@name", message) for message in select("w:message", root)}
    seen = collections.Counter(select("w:portType/w:operation/@name", root))
    yield from (f"R2304: overloaded operation {name}" for name, count in seen.items() if count > 1)
    for operation in select("w:portType/w:operation", root):
        name = operation.get("name")
        if operation.get("parameterOrder") is not None:
            yield f"R2305: {name} has a parameterOrder"
        for side in select("w:input|w:output", operation):
            if parts.get(local(side.get("message"))) != ["parameters"]:
                yield f"{name}: the wrapped part must be called parameters"
        if any("addressing" in (value + key) for side in operation for key, value in side.attrib.items()):
            yield f"{name}: has WS-Addressing marks"


def bindings(root):
    expected = set(select("w:portType/w:operation/@name", root))
    target = root.get("targetNamespace")
    for binding in select("w:binding", root):
        name = binding.get("name")
        if set(select("w:operation/@name", binding)) != expected:
            yield f"R2718: binding {name} has other operations than the port type"
        if select("string(s:binding/@transport|t:binding/@transport)", binding) != "http://schemas.xmlsoap.org/soap/http":
            yield f"R2702: binding {name} has another transport"
        for operation in select("w:operation", binding):
            action = select("string(s:operation/@soapAction|t:operation/@soapAction)", operation)
            if action != f"{target}/{operation.get('name')}":
                yield f"soapAction is {action!r}"
            yield from (f"R2706: {name} is not literal" for use in select(".//@use", operation) if use != "literal")
            for fault in select("w:fault", operation):
                if select("string(*/@name)", fault) != fault.get("name"):
                    yield f"R2754: fault name in {operation.get('name')}"
    known = set(select("w:binding/@name", root))
    yield from (f"port names unknown binding {name}" for name in select("w:service/w:port/@binding", root)
                if local(name) not in known)


def is_cell(element):
    """Whether it is a cell of a row: there nil clears (SOAP-23)."""
    return element.get("name") == "v"


def schema(root):
    for each in select("w:types/x:schema", root):
        if each.get("elementFormDefault") != "qualified" or each.get("targetNamespace") != root.get("targetNamespace"):
            yield "schema must be qualified and in the target namespace"
        for element in each.iter():
            if etree.QName(element).localname in FORBIDDEN_IN_SCHEMA:
                yield f"the schema has {etree.QName(element).localname}"
            if element.get("maxOccurs") == "unbounded" and element.get("nillable") == "true" and not is_cell(element):
                yield f"list items of {element.get('name')} may be nil"
        try:
            etree.XMLSchema(etree.fromstring(etree.tostring(each)))
        except etree.XMLSchemaParseError as error:
            yield f"the schema does not compile: {error}"


def documented(root):
    for operation in select("w:portType/w:operation[not(w:documentation)]", root):
        yield f"SOAP-6: operation {operation.get('name')} has no documentation"
    for item in select("//x:schema//x:*[@name][not(x:annotation/x:documentation[string-length(.) > 0])]", root):
        yield f"SOAP-6: {etree.QName(item).localname} {item.get('name')} has no documentation"


def namespaces(root, document):
    used = {etree.QName(element).namespace for element in root.iter(etree.Element)}
    for element in root.iter(etree.Element):
        own = dict(element.nsmap) if element.getparent() is None else {
            prefix: uri for prefix, uri in element.nsmap.items() if element.getparent().nsmap.get(prefix) != uri}
        for prefix, uri in own.items():
            if uri not in used and f'"{prefix}:'.encode() not in document:
                yield f"namespace {uri} is declared and not used"
