"""The modules `hvbackup.hyperv.*`, as both runners call them: the light one of this package and Ansible's."""
