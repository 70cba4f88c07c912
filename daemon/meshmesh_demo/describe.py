"""What the API tells of objects and fields."""

from meshmesh_demo.jsons import Json
from meshmesh_demo.model import Field, SObject, children_of

_SOAP = {
    "id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "int": "xsd:int", "double": "xsd:double",
    "currency": "xsd:double", "percent": "xsd:double", "date": "xsd:date", "datetime": "xsd:dateTime",
}  # fmt: skip
_DIGITS = {"int": 9, "double": 18, "currency": 18, "percent": 18}


def brief(sobject: SObject, root: str) -> Json:
    """An object as describeGlobal lists it.

    Args:
        sobject: what to tell of.
        root: the address of the version's resources.
    """
    edit, address = sobject.editable, f"{root}/sobjects/{sobject.name}"
    return {
        "activateable": False, "createable": edit, "custom": False, "customSetting": False, "deepCloneable": False,
        "deletable": edit, "deprecatedAndHidden": False, "feedEnabled": edit, "hasSubtypes": False, "idEnabled": False, "isInterface": False,
        "isSubtype": False, "keyPrefix": sobject.prefix, "label": sobject.name, "labelPlural": sobject.plural,
        "layoutable": edit, "mergeable": sobject.name in {"Account", "Contact", "Lead", "Case"}, "mruEnabled": edit,
        "name": sobject.name, "queryable": True, "replicateable": True, "retrieveable": True,
        "searchable": bool(sobject.searchable), "triggerable": edit, "undeletable": edit, "updateable": edit,
        "urls": {"sobject": address, "describe": f"{address}/describe", "rowTemplate": f"{address}/{{ID}}"},
    }  # fmt: skip


def full(sobject: SObject, root: str) -> Json:
    """An object as describe tells it."""
    address = f"{root}/sobjects/{sobject.name}"
    master: Json = {
        "active": True, "available": True, "defaultRecordTypeMapping": True, "developerName": "Master", "master": True,
        "name": "Master", "recordTypeId": "012000000000000AAA",
        "urls": {"layout": f"{address}/describe/layouts/012000000000000AAA"},
    }  # fmt: skip
    more: Json = {
        "actionOverrides": [],
        "childRelationships": [_child(child, field) for child, field in children_of(sobject.name).values()],
        "compactLayoutable": sobject.editable,
        "fields": [_field(sobject, field) for field in sobject.fields.values()],
        "listviewable": None,
        "lookupLayoutable": None,
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": [master],
        "searchLayoutable": bool(sobject.searchable),
        "supportedScopes": [{"label": f"All {sobject.plural}", "name": "everything"}],
    }
    return brief(sobject, root) | more


def _child(child: SObject, field: Field) -> Json:
    return {
        "cascadeDelete": False, "childSObject": child.name, "deprecatedAndHidden": False, "field": field.name,
        "junctionIdListNames": [], "junctionReferenceTo": [], "relationshipName": field.children,
        "restrictedDelete": False,
    }  # fmt: skip


def _field(sobject: SObject, field: Field) -> Json:
    writeable = sobject.editable and not field.read_only
    named = field.name == "Name"
    number = field.type in _DIGITS
    return {
        "aggregatable": field.type != "textarea", "aiPredictionField": False,
        "autoNumber": field.name == "CaseNumber", "byteLength": 18 if field.type == "id" else field.length * 3,
        "calculated": False, "calculatedFormula": None, "cascadeDelete": False, "caseSensitive": False,
        "compoundFieldName": None, "controllerName": None, "createable": writeable,
        "custom": field.name.endswith("__c"), "defaultValue": False if field.type == "boolean" else None,
        "defaultValueFormula": None, "defaultedOnCreate": field.name == "OwnerId" or not writeable,
        "dependentPicklist": False, "deprecatedAndHidden": False, "digits": 9 if field.type == "int" else 0,
        "displayLocationInDecimal": False, "encrypted": False, "externalId": field.external_id, "extraTypeInfo": None,
        "filterable": True, "filteredLookupInfo": None, "groupable": not number and field.type != "textarea",
        "highScaleNumber": False, "htmlFormatted": False, "idLookup": field.type == "id" or field.external_id,
        "inlineHelpText": None, "label": "Record ID" if field.type == "id" else field.label,
        "length": 18 if field.type == "id" else field.length, "mask": None, "maskType": None, "name": field.name,
        "nameField": named, "namePointing": len(field.targets) > 1, "nillable": not field.required and field.type not in {"id", "boolean"},
        "permissionable": writeable and not field.required, "picklistValues": [_value(one) for one in field.values],
        "polymorphicForeignKey": len(field.targets) > 1, "precision": _DIGITS.get(field.type, 0),
        "queryByDistance": False, "referenceTargetField": None, "referenceTo": list(field.targets),
        "relationshipName": field.relation or None, "relationshipOrder": None, "restrictedDelete": False,
        "restrictedPicklist": field.restricted, "scale": 2 if number and field.type != "int" else 0,
        "searchPrefilterable": field.type == "reference", "soapType": _SOAP.get(field.type, "xsd:string"),
        "sortable": field.type != "textarea", "type": field.type, "unique": field.external_id, "updateable": writeable,
        "writeRequiresMasterRead": False,
    }  # fmt: skip


def _value(value: str) -> Json:
    return {"active": True, "defaultValue": False, "label": value, "validFor": None, "value": value}
