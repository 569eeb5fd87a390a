"""The forms of the customers' pages. What a value may be is judged by `services.editing`; here stands how it is asked."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from .models import Erasure, UserProfile
from .services.editing import EDITABLE
from .services.reveal import RevealReason
from .services.search import TERM_MAX

CONFIRMATION = "APAGAR"
YES_NO = {"": None, "yes": True, "no": False}


class SearchForm(forms.Form):
    term = forms.CharField(max_length=TERM_MAX, required=False)


class ProfileForm(forms.Form):
    """The phone in use is not shown here: empty leaves it as it is."""

    name = forms.CharField(label="Nome", required=False, widget=UnfoldAdminTextInputWidget)
    phone = forms.CharField(
        label="Novo telefone",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "inputmode": "tel"}),
        help_text="Em branco, o telefone continua como está. Ex.: (42) 99999-0000, ou +351 912 345 678.",
    )
    remove_phone = forms.BooleanField(label="Apagar o telefone", required=False, widget=UnfoldBooleanWidget)
    city = forms.CharField(label="Cidade", required=False, widget=UnfoldAdminTextInputWidget)
    is_business = forms.ChoiceField(
        label="É empresa",
        required=False,
        choices=[("", "Não informado"), ("yes", "Sim"), ("no", "Não")],
        widget=UnfoldAdminSelectWidget,
    )
    business_name = forms.CharField(label="Empresa", required=False, widget=UnfoldAdminTextInputWidget)
    role = forms.CharField(label="Função", required=False, widget=UnfoldAdminTextInputWidget)
    version = forms.CharField(widget=forms.HiddenInput)

    @staticmethod
    def shown(profile: UserProfile, version: str) -> dict[str, Any]:
        """What the form begins with."""
        is_business = next(word for word, value in YES_NO.items() if value is profile.is_business)
        texts = {name: getattr(profile, name) for name in ("name", "city", "business_name", "role")}
        return {**texts, "is_business": is_business, "version": version}

    def changes(self) -> dict[str, Any]:
        """As `edit_profile` takes them."""
        given = self.cleaned_data
        changes = {name: given[name] for name in EDITABLE if name != "phone"}
        changes["is_business"] = YES_NO[given["is_business"]]
        if given.get("remove_phone") or given["phone"]:
            changes["phone"] = "" if given.get("remove_phone") else given["phone"]
        return changes


class NewProfileForm(ProfileForm):
    """Of somebody who has not written yet: the phone is what they will be known by."""

    phone = forms.CharField(
        label="Telefone",
        error_messages={"required": "Escreva o telefone."},
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "inputmode": "tel"}),
        help_text="Ex.: (42) 99999-0000, ou +351 912 345 678.",
    )
    remove_phone = None  # type: ignore[assignment]
    version = None  # type: ignore[assignment]


class RevealForm(forms.Form):
    reason = forms.ChoiceField(
        label="Motivo", choices=[("", "Escolha o motivo"), *RevealReason.choices], widget=UnfoldAdminSelectWidget
    )


class HoldForm(forms.Form):
    reason = forms.ChoiceField(
        label="Motivo",
        choices=[("", "Escolha o motivo"), *UserProfile.HoldReason.choices],
        widget=UnfoldAdminSelectWidget,
    )


class EraseForm(forms.Form):
    reason = forms.ChoiceField(
        label="Motivo",
        # The end of a retention is the beat job's own reason.
        choices=[
            ("", "Escolha o motivo"),
            *((code, label) for code, label in Erasure.Reason.choices if code != Erasure.Reason.RETENTION),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    confirmation = forms.CharField(
        label=f"Para confirmar, escreva {CONFIRMATION}",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )

    def clean_confirmation(self) -> str:
        if self.cleaned_data["confirmation"].strip() != CONFIRMATION:
            raise forms.ValidationError(f"Escreva {CONFIRMATION}, em maiúsculas.")
        return CONFIRMATION
