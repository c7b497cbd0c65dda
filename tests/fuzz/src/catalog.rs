//! Service catalogs in both forms.

use context::{CatalogError, CatalogForm, CatalogRules, EndpointQuery, Interface, ServiceCatalog};

use crate::text::{check_debug, check_error};

pub(crate) fn run(data: &[u8]) {
    for form in [CatalogForm::V2, CatalogForm::V3] {
        for rules in [CatalogRules::default(), CatalogRules::nova()] {
            match ServiceCatalog::from_json(data, form, &rules) {
                Ok(catalog) => accepted(&catalog, form, &rules, data.len()),
                Err(error) => check_error(&error, data.len()),
            }
            good_parts(data, form, &rules);
        }
    }
}

/// What is good of a catalog is a good catalog; and all of it, where nothing is wrong.
fn good_parts(data: &[u8], form: CatalogForm, rules: &CatalogRules) {
    let whole = ServiceCatalog::from_json(data, form, rules);
    match ServiceCatalog::good_parts_of_json(data, form, rules) {
        Ok((catalog, problems)) => {
            match whole {
                Ok(whole) => assert!(problems.is_empty() && whole == catalog),
                Err(_) => assert!(!problems.is_empty()),
            }
            accepted(&catalog, form, rules, data.len());
        }
        Err(error) => {
            assert!(whole.is_err());
            check_error(&error, data.len());
        }
    }
}

fn accepted(catalog: &ServiceCatalog, form: CatalogForm, rules: &CatalogRules, input: usize) {
    check_debug(catalog, input);
    let urls: usize = catalog.urls().map(|url| url.as_str().len()).sum();
    assert!(urls <= input, "every URL was in the text");
    let written = catalog.to_json(form);
    // Keys that were left out are written, escapes may be undone.
    assert!(written.len() <= 64 + 8 * input, "{} bytes", written.len());
    match ServiceCatalog::from_json(written.as_bytes(), form, rules) {
        Ok(again) => {
            assert_eq!(again.to_json(form), written);
            // The v3 form has no way to write an endpoint without a URL.
            assert!(form == CatalogForm::V3 || again == *catalog);
        }
        Err(error) => panic!("what was written cannot be read: {error}"),
    }
    let v3 = catalog.to_json(CatalogForm::V3);
    let v3 = ServiceCatalog::from_json(v3.as_bytes(), CatalogForm::V3, rules);
    let grouped = catalog.grouped_by_region();
    assert!(grouped.urls().count() <= catalog.urls().count());
    assert_eq!(
        grouped.grouped_by_region(),
        grouped,
        "grouped once and for all"
    );
    let types: Vec<_> = catalog.service_types().take(4).map(str::to_owned).collect();
    for kind in types
        .iter()
        .map(String::as_str)
        .chain(["block-storage", "volumev3", "x"])
    {
        for interface in [None, Some(Interface::Public), Some(Interface::Internal)] {
            let mut query = EndpointQuery::service(kind);
            query.interfaces.extend(interface);
            let found = catalog.url_for(&query);
            match found {
                Ok(url) => assert!(catalog.urls().any(|own| own == url)),
                Err(CatalogError::Empty) => assert!(catalog.is_empty()),
                Err(ref error) => check_error(error, input),
            }
            if let Ok(v3) = &v3
                && query.interfaces.len() == 1
            {
                assert_eq!(v3.url_for(&query), found, "the form makes no difference");
            }
        }
    }
}
